"""Mutated records: examined, and a part of them listed, shown, compared and reported."""

import json
import shutil

from fuzz.hostile import altered, nested, scrambled
from fuzz.sandbox import attempt, fault_of, unprintable

from cpbench.benchmark.cli.main import main
from cpbench.benchmark.errors import CpbenchError
from cpbench.benchmark.hashing import digest
from cpbench.benchmark.records.reading import read_records
from cpbench.benchmark.verbs.validate import validate
from synthetic import FORGETS, KEEPS, record

REPORTED = 4  # one of so many sound examples, and one of ten times as many others, goes through the commands
HOSTILE = (
    ("suite", "[red]x[/red]"),
    ("suite", "[/x]"),
    ("suite", "a b"),
    ("suite", "\u202ealtered"),
    ("suite", "<b>x"),
    ("suite", "`x` | *y*"),
    ("method", "[bold]m"),
    ("method", "[/]"),
    ("method", "<i>m"),
    ("method", "é\u0301"),
    ("method", "x" * 200),
    ("order", ["[red]a", "b[/]", "c"]),
    ("order", ["a+b", "prior", "c"]),
    ("order", ["", " ", "x\x1b[2Jy"]),
    ("order", ["a\nb", "c|d", "$e_f%"]),
    ("order", ["<mallow>", "&amp;", "{x}"]),
    ("backbone", "[/red]"),
    ("backbone", "a\nb"),
    ("weights", "\\end{document}"),
    ("device", "cuda:[0]"),
    ("dtype", "\x1b]0;title\x07"),
    ("profile", "[link=x]"),
    ("options", {"[red]": {"[/]": "[/]"}}),
    ("options", {"learner": {"rate": 1e308, "x": -1e308}}),
    ("options", {"learner": {"x": 2**63}}),
    ("suite_version", 10**30),
    ("seed", -1),
    ("seed", 10**400),
)
NUMBERS = (0, 1, -1, 1e308, -1e308, 5e-324, 1e15, 2**62, 10**30, 10**400)


def prepare(sandbox):
    """Sound records that each example gets a copy of."""
    sandbox.good = [json.loads(record(m, r).model_dump_json(by_alias=True)) for m, r in FAMILY]
    for content in sandbox.good:
        _write(sandbox.outside / "records", content)
    for words in commands(sandbox, sandbox.outside / "records"):
        attempt(lambda words=words: main(words), seconds=0)


FAMILY = (("clora", FORGETS), ("lora", KEEPS), ("base", FORGETS))


def _write(folder, content, name=None):
    run = content.get("run") if isinstance(content, dict) else None
    parts = [run.get("suite"), run.get("method")] if isinstance(run, dict) else [None, None]
    plain = [p if isinstance(p, str) and "/" not in p and "\0" not in p and p.strip(".") else "x" for p in parts]
    try:
        key = name or digest(run)
    except (CpbenchError, ValueError, TypeError, RecursionError):
        key = "0123456789abcdef"
    path = folder.joinpath(*plain, f"{key}.json")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (OSError, UnicodeError):
        path = folder / "x" / "x" / f"{key}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.write_text(json.dumps(content, indent=1))
    except RecursionError:
        path.write_text("[" * 5000)
    return path


def commands(sandbox, folder):
    """Command lines that read records."""
    where = ["--results", str(folder)]
    ids = sorted(path.stem for path in folder.glob("*/*/*.json")) or ["0"]
    yield ["report", "--only", "tables", *where, "--out", str(sandbox.allowed / "report")]
    yield ["list", "runs", *where]
    yield ["list", "runs", "--json", *where]
    yield ["show", ids[0], *where]
    yield ["show", ids[-1], "--json", *where]
    yield ["diff", ids[0], ids[-1], *where]
    yield ["diff", ids[0], ids[-1], "--json", *where]
    yield ["compare", "clora", "lora", *where]
    yield ["compare", str(folder), str(folder), "--json"]
    yield ["validate", str(folder)]
    yield ["validate", str(folder), "--json"]
    yield ["gc", "--dry-run", "--unused", str(folder)]


def example(rng, sandbox, index):
    """One example: its label, its fault or None, and a description."""
    shutil.rmtree(sandbox.input, ignore_errors=True)
    folder = sandbox.input / "records"
    content = json.loads(json.dumps(rng.choice(sandbox.good)))
    hostile = rng.random() < 0.35
    if hostile:
        _rename(content, rng)
    for _ in range(rng.choice((1, 1, 2)) if not hostile or rng.random() < 0.2 else 0):
        _change(content, rng)
    path = _write(folder, content)
    if rng.random() < 0.25:
        path.write_bytes(scrambled(path.read_bytes(), rng))
    for good in sandbox.good if rng.random() < 0.3 else ():
        _write(folder, good)
    before, kept, heard = sandbox.state(), [], []
    outcome = attempt(lambda: kept.extend(read_records(folder, on_fault=heard.append)), CpbenchError)
    fault = outcome.raised or ("read nothing and said nothing" if not kept and not heard else None)
    if not fault:
        outcome = attempt(lambda: validate(folder), CpbenchError)
        fault = outcome.raised
    if not fault and (index % REPORTED if kept else index % (10 * REPORTED)) == 0:
        fault = _commands(sandbox, folder, rng)
    if not fault and (changed := sandbox.changes(before)):
        fault = f"changed on disk: {changed[:3]}"
    return "right" if not heard else "refused", fault, f"{path!r}\n{path.read_bytes()[:3000]!r}\n{heard}\n{fault}"


def _rename(content, rng):
    """Hostile names and numbers in a run, everywhere in the record where they occur."""
    key, value = rng.choice(HOSTILE)
    before = content["run"][key]
    content["run"][key] = value
    if key == "order":
        new = dict(zip(before, value, strict=True))
        for score in content["scores"]:
            score["concept"] = "+".join(new.get(part, part) for part in score["concept"].split("+"))
            score["other"] = new.get(score.get("other"), score.get("other"))


def _change(content, rng):
    """A change of any place, or of a number in scores and costs."""
    if rng.random() < 0.6:
        altered(content, rng)
        return
    rows = content.get(rng.choice(("scores", "cost")))
    row = rng.choice(rows) if isinstance(rows, list) and rows else {}
    keys = [key for key, value in row.items() if isinstance(value, int | float)] if isinstance(row, dict) else []
    if keys:
        row[rng.choice(keys)] = rng.choice(NUMBERS)
    elif isinstance(row, dict):
        row["figures"] = rng.choice(({"[red]": 1.0}, {"x" * 300: 1.0}, {"": -1e308}, nested(20)))


def _commands(sandbox, folder, rng):
    """The first fault of the commands that read this folder, two of them chosen by chance beside the report."""
    every = list(commands(sandbox, folder))
    for words in (every[0], *rng.sample(every[1:], 3)):
        outcome = attempt(lambda words=words: main(words))
        fault = fault_of(outcome, silent=(2,) if words[0] == "validate" else ())
        if not fault and "--json" in words and outcome.status == 0:
            fault = _not_json(outcome.out)
        if fault:
            return f"{fault}\n{' '.join(words[:2])}"
    for file in (sandbox.allowed / "report").rglob("*.[mt]*"):  # .md and .tex; .csv has the data themselves
        if file.is_file() and (bad := [c for c in unprintable(file.read_text()) if c not in "\r\u00a0\u202f"]):
            return f"{file.name} contains {bad!r}"
    return None


def _not_json(text):
    """What strict readers of JSON would say of a text; None if nothing."""

    def refuse(word):
        raise ValueError(f"JSON with {word}")

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError as error:
        return f"not JSON: {error}: {text[:100]!r}"
    return None
