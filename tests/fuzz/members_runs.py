"""Members in what can be measured: too few pictures, prompts or concepts; NaN in records and choices."""

import json
import re

from fuzz.members import Member, command, either, refused, right
from fuzz.members_specs import write
from fuzz.records import FAMILY
from fuzz.sandbox import fault_of
from fuzz.specs import REX, TINY


def measured(name, changes, *words, metric=None):
    """A member: a run of the base model succeeds, and its record, its tables and its list are sound."""

    def act(box):
        return command("run", "--suite", write(box, changes), "--out", box.allowed / "out", "--quiet", *(words or BASE))

    def check(box, outcome):
        if fault := fault_of(outcome, (0,)):
            return fault
        paths = list(box.allowed.glob("out/*/*/*.json"))
        if not paths:
            return "no record"
        for words in (["validate", box.allowed / "out"], _report(box)):
            if fault := fault_of(after := command(*words), (0,)):
                return f"{words[0]}: {fault}"
        scores = json.loads(paths[0].read_text(), parse_constant=lambda word: f"not a number: {word}")["scores"]
        if bad := [s for s in scores if not isinstance(s["value"], int | float)]:
            return f"a score of {bad[0]}"
        if metric and (bad := [s for s in scores if s["metric"] == metric]):
            return f"{metric} has a value: {bad[0]}"
        texts = [f.read_text() for f in (box.allowed / "report").glob("*") if f.is_file()]
        found = re.search(r".{0,60}\bnan\b.{0,30}", "\n".join([*texts, after.out]), re.IGNORECASE)
        return f"NaN in a table: {found[0]}" if found else None

    return Member(1, name, act, check, slow=True)


BASE = ("--methods", "base")


def _report(box):
    return ["report", "--only", "tables", "--results", box.allowed / "out", "--out", box.allowed / "report"]


FEW = [
    measured("as many training pictures as the folder has", {"concepts.0": REX, "training.pictures": 3}),
    measured("more training pictures than the folder has", {"concepts.0": REX, "training.pictures": 9}),
    measured("folders only, nothing held out", {"concepts": [REX], "training.pictures": 3, "prompts.pairs": []}),
    measured("one concept", {"concepts": TINY["concepts"][:1], "prompts.pairs": []}),
    measured("one concept, with prompts for pairs", {"concepts": TINY["concepts"][:1]}),
    measured("one picture of one prompt", {"evaluation.per_prompt": 1, "prompts.evaluation": ["photo of a {}"]}),
    measured("no look-alikes", {"evaluation.distractors": 0}, metric="identity"),
    measured("no pairs and no prior", {"prompts.pairs": [], "prompts.prior": []}),
    measured("one prior prompt, one picture", {"evaluation.per_prompt": 1}),
    measured("two references", {"evaluation.references": 2}),
    measured("one task of two", {}, "--methods", "base", "--lengths", "1"),
    measured(
        "a method, one picture of one prompt, a folder",
        {
            "concepts.0": REX,
            "training.pictures": 3,
            "evaluation.per_prompt": 1,
            "prompts.evaluation": ["photo of a {}"],
        },
        "--methods",
        "lora",
    ),
]


def records(box, edit=lambda content: None, text=lambda text: text, folder="records"):
    """Three records, edited as data and as text; their folder."""
    from cpbench.benchmark.hashing import digest
    from synthetic import record

    for method, r in FAMILY:
        content = json.loads(record(method, r).model_dump_json(by_alias=True))
        edit(content)
        path = (
            box.input / folder / content["run"]["suite"] / content["run"]["method"] / f"{digest(content['run'])}.json"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(json.dumps(content)))
    return box.input / folder


def reading(name, words, check, edit=lambda content: None, text=lambda text: text, kind=7, **more):
    """A member: a command on three records."""

    def act(box):
        where = records(box, edit, text)
        return command(*(str(word).replace("WHERE", str(where)) for word in words))

    return Member(kind, name, act, check, **more)


def _without(metric):
    def edit(content):
        content["scores"] = [s for s in content["scores"] if s["metric"] != metric]

    return edit


def _all_failed(content):
    content |= {"status": "error", "error": "the loss became NaN", "scores": []}


def _strict(box, outcome):
    def refuse(word):
        raise ValueError(word)

    try:
        json.loads(outcome.out, parse_constant=refuse)
    except ValueError as error:
        return f"not JSON: {error}"
    return None


def _listed(n):
    def check(box, outcome):
        rows = [line for line in outcome.out.splitlines() if "tiny-3" in line]
        return None if len(rows) == n else f"{len(rows)} rows: {outcome.out[:200]}"

    return check


WHERE = ("--results", "WHERE")
NAN = [
    reading(
        "NaN as a score",
        ("validate", "WHERE"),
        _faulty := (lambda box, o: None if o.status == 2 and "faulty" in o.out else f"{o}"),
        text=lambda t: t.replace('"value": 0.001', '"value": NaN'),
    ),
    reading(
        "Infinity as a cost",
        ("validate", "WHERE"),
        _faulty,
        text=lambda t: t.replace('"train_seconds": 10.0', '"train_seconds": Infinity').replace(
            '"value": 0.001', '"value": 1e999'
        ),
    ),
    reading(
        "1e999 as a score", ("validate", "WHERE"), _faulty, text=lambda t: t.replace('"value": 0.001', '"value": 1e999')
    ),
    reading(
        "a key twice in a record",
        ("validate", "WHERE"),
        _faulty,
        text=lambda t: t.replace('"status": "ok"', '"status": "error", "status": "ok"'),
    ),
    reading("JSON of the list of runs", ("list", "runs", "--json", *WHERE), right(_strict)),
    reading("JSON of a comparison of one pair", ("compare", "clora", "lora", "--json", *WHERE), right(_strict)),
    reading(
        "JSON of a comparison without a metric",
        ("compare", "clora", "lora", "--json", *WHERE),
        right(_strict),
        edit=_without("mmd"),
    ),
    reading("a condition on NaN", ("compare", "clora", "lora", "--fail-if", "average < nan", *WHERE), refused("nan")),
    reading(
        "a condition on an unknown column", ("compare", "clora", "lora", "--fail-if", "x < 1", *WHERE), refused("x")
    ),
    reading(
        "a condition on what was not measured",
        ("compare", "clora", "lora", "--fail-if", "difference < 1", *WHERE),
        refused("difference"),
    ),
    reading(
        "tables without the headline metric",
        ("report", "--only", "tables", "--out", "../allowed/report", *WHERE),
        right(
            lambda box, o: "NaN" if any("nan" in f.read_text() for f in (box.allowed / "report").glob("*")) else None
        ),
        edit=_without("identity"),
    ),
    reading(
        "tables of failed runs only",
        ("report", "--only", "tables", "--out", "../allowed/report", *WHERE),
        refused("no finished run"),
        edit=_all_failed,
    ),
    reading(
        "a baseline without runs",
        ("report", "--only", "tables", "--baseline", "dsc", "--out", "../allowed/report", *WHERE),
        refused("dsc"),
    ),
]


def _tune(box, changes):
    path = write(box, changes)
    return command(
        "tune",
        "--methods",
        "lora",
        "--suites",
        path,
        "--length",
        "1",
        "--trials",
        "1",
        "--out",
        box.allowed / "t",
        "--quiet",
    )


OBJECTIVE = [
    Member(
        7,
        "tune without the objective: no look-alikes",
        lambda box: _tune(box, {"evaluation.distractors": 0}),
        refused("identity|objective|distractors|look-alike"),
        slow=True,
    ),
    Member(
        7,
        "tune without the objective: a folder",
        lambda box: _tune(box, {"concepts.0": REX}),
        refused("identity|objective|look-alike"),
        slow=True,
    ),
    Member(7, "tune with the objective", lambda box: _tune(box, {}), right(), slow=True),
]
HOSTILE = [
    reading(
        f"{words[0]} of a record with {key} {value!r}",
        words,
        either(r".", None),
        edit=lambda c, key=key, value=value: c["run"].update({key: value}),
        kind=8,
    )
    for key, value in (("suite", "[red]x[/red]"), ("suite", "[/x]"), ("backbone", "[/red]"), ("device", "[bold"))
    for words in (
        ("list", "runs", *WHERE),
        ("report", "--only", "tables", "--out", "../allowed/report", *WHERE),
        ("compare", "clora", "lora", *WHERE),
    )
]
SHOWN = [
    reading(
        "list of runs with brackets in a suite",
        ("list", "runs", *WHERE),
        right(lambda box, o: None if "[red]x" in o.out else f"eaten: {o.out[:200]}"),
        edit=lambda c: c["run"].update(suite="[red]x"),
        kind=8,
    ),
    reading(
        "a failed run among others",
        ("list", "runs", *WHERE),
        right(_listed(3)),
        edit=lambda c: _all_failed(c) if c["run"]["method"] == "base" else None,
    ),
]
MEMBERS = FEW + NAN + OBJECTIVE + HOSTILE + SHOWN
