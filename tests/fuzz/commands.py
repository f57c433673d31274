"""Hostile command lines of commands that compute nothing: plans, lists, comparisons, tables, checks of files."""

import itertools
import os
import re
import shutil

from fuzz.hostile import NUMBERS, STRINGS
from fuzz.records import prepare as prepare_records
from fuzz.sandbox import CPU_SECONDS, attempt, fault_of
from fuzz.specs import PLANNING
from fuzz.specs import prepare as prepare_specs

from cpbench.benchmark.cli.main import main

PLAIN = [s for s in STRINGS if "\0" not in s and "\ud800" not in s]  # no command line can hold these
PLAIN += ["not UTF-8 \udcff"]
SETTINGS = (
    "dsc.temperature",
    "dsc.rate",
    "dsc.passes",
    "ewc.candidates",
    "ewc.decay",
    "ewc.generic",
    "ewc.plain",
    "ewc.strength",
    "learner.cooldown",
    "learner.rate",
    "lora.rank",
    "vera.rank",
    "replay.pictures",
    "clora.strength",
    "merge.share",
    "nothing",
    "a.b.c",
    ".",
    "[red].x",
)
ENVIRONMENTS = ({},) * 12 + (
    {"CPBENCH_HOME": "~/store"},
    {"CPBENCH_HOME": ""},
    {"CPBENCH_HOME": "relative"},
    {"CPBENCH_HOME": "/proc/nowhere"},
    {"CPBENCH_HOME": "/dev/null"},
    {"CPBENCH_HOME": "x" * 300},
    {"COLUMNS": "0"},
    {"COLUMNS": "-3"},
    {"COLUMNS": "wide"},
    {"COLUMNS": "1"},
    {"COLUMNS": "7"},
    {"COLUMNS": "9" * 30},
    {"LINES": "0"},
    {"TERM": "dumb"},
    {"TERM": ""},
    {"FORCE_COLOR": "1"},
)
VERBS = (
    ("run", 30),
    ("list", 15),
    ("show", 6),
    ("diff", 6),
    ("compare", 12),
    ("validate", 6),
    ("report", 10),
    ("gc", 8),
    ("check", 4),
    ("tune", 4),
    ("pretrain", 2),
    ("score", 3),
    ("conformance", 2),
    ("doctor", 1),
    ("", 2),
)


def prepare(sandbox):
    """Records, a suite, and files that are none."""
    prepare_specs(sandbox)
    prepare_records(sandbox)
    sandbox.records = sandbox.outside / "records"
    sandbox.ids = sorted(path.stem for path in sandbox.records.glob("*/*/*.json"))
    for words in (["list", "methods"], ["doctor", "--quick"], ["tune", "--methods", "x"], ["check", "--methods", "x"]):
        attempt(lambda words=words: main(words), seconds=0)
    (sandbox.outside / "file").write_text("no folder")
    (sandbox.outside / "empty").mkdir()
    (sandbox.outside / "[red]").symlink_to(sandbox.records)
    (sandbox.outside / "loop").symlink_to(sandbox.outside / "loop")


def example(rng, sandbox, index):
    """One example: its label, its fault or None, and a description."""
    shutil.rmtree(sandbox.allowed)
    sandbox.allowed.mkdir()
    verb = rng.choices([v for v, _ in VERBS], [w for _, w in VERBS])[0]
    words = [str(word) for word in MAKERS[verb](rng, sandbox)]
    if rng.random() < 0.1:
        words.insert(rng.randrange(len(words) + 1), rng.choice(PLAIN))
    words = safe(words)
    extra = rng.choice(ENVIRONMENTS)
    before, saved = sandbox.state(), dict(os.environ)
    os.environ |= extra
    try:
        outcome = attempt(lambda: main(words), seconds=PLANNING if verb == "run" else CPU_SECONDS)
    finally:
        os.environ.clear()
        os.environ |= saved
    if outcome.err.startswith("Usage:") and not words:
        outcome.err = ""
    if "FORCE_COLOR" in extra:
        outcome.out = re.sub(r"\x1b\[[\d;]*m", "", outcome.out)
    silent = {"validate": (2,), "": (2,), "check": (3,)}.get(verb, ())
    fault = fault_of(outcome, silent=silent)
    if not fault and (changed := left(sandbox.changes(before), words, extra, sandbox)):
        fault = f"changed on disk: {changed[:3]}"
    if fault:
        fault += f"\n{words}\n{extra}"
    return "right" if outcome.status == 0 else "refused", fault, f"{words}\n{extra}\n{outcome}"


def safe(words):
    """The same words without what would start work or change the shell of the user."""
    if "run" in words[:2] and "--dry-run" not in words:
        words = [*words, "--dry-run"]
    if "gc" in words[:2] and "--dry-run" not in words:
        words = [*words, "--dry-run"]
    return [word for word in words if "-completion" not in word]


def left(changed, words, extra, sandbox):
    """Changes outside of the folders that a command line names; a run may make its folder and the store."""
    named = [word for flag, word in itertools.pairwise(words) if flag in ("--out", "--strips", "--junit")]
    named += [word.partition("=")[2] for word in words if word.startswith("--out=")] + ["runs", "report", "tuned"]
    store = extra.get("CPBENCH_HOME", "")
    named += [store.replace("~", str(sandbox.user), 1)] if store else []
    named += [str(sandbox.user / ".cache")] if store == "" else []
    roots = [os.path.realpath(os.path.join(sandbox.cwd, name)) for name in named if name]  # noqa: PTH118
    found = [path for path in changed if not any(path == root or path.startswith(f"{root}/") for root in roots)]
    for path in changed:
        if path not in found and not path.startswith(str(sandbox.outside)):
            shutil.rmtree(path, ignore_errors=True)
    return found


def number(rng):
    """A number as text, mostly a small one."""
    return rng.choice((1, 2, 3)) if rng.random() < 0.5 else rng.choice((*NUMBERS, "9" * 5000, "1_0", "１", "", "x"))


def text(rng, *good):
    """One of some good words, or a hostile one."""
    return rng.choice(good) if good and rng.random() < 0.7 else rng.choice(PLAIN)


def folder(rng, sandbox):
    """A folder of records, mostly a good one."""
    others = [sandbox.outside / name for name in ("file", "empty", "[red]", "loop", "none")]
    return sandbox.records if rng.random() < 0.6 else rng.choice((*others, "shipped", "", *PLAIN[:20]))


def some(rng, *options, most=4):
    """Some of the options, each made only if it is taken."""
    for make in rng.sample(options, rng.randrange(min(most, len(options)) + 1)):
        yield from make()


def _settings(rng):
    for _ in range(rng.choice((1, 1, 2))):
        yield from ("--set", f"{rng.choice(SETTINGS)}={rng.choice((number(rng), text(rng)))}")


def _run(rng, sandbox):
    yield from ("run", "--methods", text(rng, "base", "lora", "base,lora", "lora,lora", "lora,"))
    yield from ("--suite", sandbox.outside / "good.yaml" if rng.random() < 0.9 else text(rng))
    yield from ("--out", sandbox.allowed / "out" if rng.random() < 0.8 else rng.choice(("", "runs", "/dev/null/x")))
    yield "--dry-run"
    yield from some(
        rng,
        lambda: ("--orders", text(rng, "1", "2", "all", "1,2/2,1", "1,2/1,2", "mallow,rumble", number(rng))),
        lambda: ("--lengths", text(rng, "1", "2", "1,2", "2,2", number(rng))),
        lambda: ("--seeds", number(rng)),
        lambda: ("--protocol", text(rng, "final", "full")),
        lambda: ("--backbone", text(rng, "tiny")),
        lambda: ("--device", text(rng, "cpu", "auto", "cuda:99", "cpu:0", "meta", "cuda", "mps")),
        lambda: ("--dtype", text(rng, "float32", "bfloat16", "float64", "int8")),
        lambda: _settings(rng),
        lambda: ("--threads", number(rng)),
        lambda: ("--jobs", number(rng)),
        lambda: ("--executor", text(rng, "local")),
        lambda: ("--address", text(rng)),
        lambda: ("--max-hours", number(rng)),
        lambda: ("--resolution", number(rng)),
        lambda: ("--baseline", text(rng, "base", "lora")),
        lambda: ("--quiet",),
    )


def _list(rng, sandbox):
    every = ("methods", "options", "suites", "backbones", "profiles", "metrics", "runs", "runs")
    yield from ("list", text(rng, *every))
    yield from some(rng, lambda: ("--results", folder(rng, sandbox)), lambda: ("--json",))


def _id(rng, sandbox):
    return text(rng, *sandbox.ids, *(i[:3] for i in sandbox.ids), "f" * 16)


def _show(rng, sandbox):
    yield from ("show", _id(rng, sandbox), "--results", folder(rng, sandbox))
    yield from some(rng, lambda: ("--json",))


def _diff(rng, sandbox):
    yield from ("diff", _id(rng, sandbox), _id(rng, sandbox), "--results", folder(rng, sandbox))
    yield from some(rng, lambda: ("--json",))


def _compare(rng, sandbox):
    sides = ["clora", "lora", "base", _id(rng, sandbox), folder(rng, sandbox)]
    conditions = (
        "average < -2",
        "average<0 (sure)",
        "average < nan",
        "stored_bytes > 1e400",
        "x < 1",
        "average",
        "< 1",
    )
    yield from ("compare", text(rng, *sides), text(rng, *sides), "--results", folder(rng, sandbox))
    yield from some(rng, lambda: ("--fail-if", text(rng, *conditions)), lambda: ("--json",))


def _validate(rng, sandbox):
    yield from ("validate", folder(rng, sandbox))
    yield from some(rng, lambda: ("--json",), lambda: (folder(rng, sandbox),))


def _report(rng, sandbox):
    yield from ("report", "--only", text(rng, "tables") if rng.random() < 0.9 else "tables")
    yield from ("--out", sandbox.allowed / text(rng, "report", "[red]", "a b").lstrip("/~").replace("..", "x"))
    yield from ("--results", folder(rng, sandbox))
    yield from some(
        rng,
        lambda: ("--baseline", text(rng, "lora", "base", "clora", "dsc")),
        lambda: ("--check",),
        lambda: ("--results", folder(rng, sandbox)),
        lambda: ("--quiet",),
    )


def _gc(rng, sandbox):
    yield from ("gc", "--dry-run")
    yield from some(rng, lambda: ("--unused", folder(rng, sandbox)), lambda: ("--checkpoints",))


def _check(rng, sandbox):
    yield from ("check", "--results", folder(rng, sandbox), "--against", folder(rng, sandbox))
    yield from some(
        rng,
        lambda: ("--suite", text(rng, "toybox-2", sandbox.outside / "good.yaml")),
        lambda: ("--methods", text(rng, "lora", "all")),
        lambda: ("--seeds", number(rng)),
        lambda: ("--junit", sandbox.allowed / "junit.xml"),
    )


def _tune(rng, sandbox):
    """Never a valid one: it would train."""
    bad = rng.choice((-1, 0, "x", "", "nan", -(10**400), "1e5"))
    yield from ("tune", "--methods", text(rng, "lora", "dsc"), "--trials", bad, "--out", sandbox.allowed / "tuned")
    yield from some(
        rng, lambda: ("--length", number(rng)), lambda: ("--threads", number(rng)), lambda: ("--seeds", number(rng))
    )


def _pretrain(rng, sandbox):
    """Never a valid one: it would train."""
    yield from ("pretrain", "--updates", rng.choice((-5, -1, "x", "", "1.5", "nan", -(2**63))))
    yield from ("--out", sandbox.allowed / "pre")


def _score(rng, sandbox):
    """Never a valid one: the pictures of these records are in no store."""
    yield from ("score", text(rng, *sandbox.ids), "--results", sandbox.records, "--out", sandbox.allowed / "scored")
    yield from some(
        rng,
        lambda: ("--profile", text(rng, "dreambooth")),
        lambda: ("--metrics", text(rng, "lpips_diversity")),
        lambda: ("--suite", sandbox.outside / "good.yaml"),
        lambda: ("--threads", number(rng)),
    )


def _conformance(rng, sandbox):
    """Never a valid one: it would train."""
    yield from ("conformance", rng.choice(PLAIN))
    yield from some(rng, lambda: ("--metric",), lambda: ("--json",), lambda: _settings(rng))


def _doctor(rng, sandbox):
    yield from ("doctor", "--quick", *some(rng, lambda: ("--json",)))


def _nothing(rng, sandbox):
    yield from (rng.choice(PLAIN) for _ in range(rng.randrange(4)))


MAKERS = {
    "run": _run,
    "list": _list,
    "show": _show,
    "diff": _diff,
    "compare": _compare,
    "validate": _validate,
    "report": _report,
    "gc": _gc,
    "check": _check,
    "tune": _tune,
    "pretrain": _pretrain,
    "score": _score,
    "conformance": _conformance,
    "doctor": _doctor,
    "": _nothing,
}
