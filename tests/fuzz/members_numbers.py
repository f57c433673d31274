"""Members in numbers: of specs, options, arguments and variables."""

import math

from fuzz.members import Member, command, either, refused, right
from fuzz.members_specs import planned, spec, write

INF, NAN, LARGE = math.inf, math.nan, 10**400
SPECS = [
    spec(
        3,
        f"{place} {value if value != LARGE else '10^400'!r}",
        {place: value},
        refused(place.rpartition(".")[2] + r"|line \d+, column \d+: a number"),
    )
    for place, values in (
        ("sampling.guidance", (INF, NAN, 0, -1, 1e308, "2", True)),
        ("sampling.size", (0, -64, 60, 9, 65, 1, 10**6, 64.5)),
        ("sampling.steps", (0, -1, 1.5, INF, 10**9)),
        ("sampling.batch", (0, -8, 10**9)),
        ("training.steps", (0, -1, LARGE)),
        ("training.batch", (0, True)),
        ("training.pictures", (0, -1, 10**9)),
        ("evaluation.per_prompt", (0, -1, 10**9)),
        ("evaluation.per_pair", (0, 1.5, 10**9)),
        ("evaluation.references", (1, 0, 10**9)),
        ("evaluation.distractors", (-1, 10**9)),
        ("concepts.0.toybox", (-5, 1.5, LARGE, NAN, True, "11")),
        ("version", (0, -1, LARGE, 1.5)),
    )
    for value in values
] + [
    spec(3, "guidance 1", {"sampling.guidance": 1}, right()),
    spec(3, "guidance 7.5", {"sampling.guidance": 7.5}, right()),
    spec(3, "batch 1", {"training.batch": 1}, right()),
    spec(3, "toybox 0", {"concepts.0.toybox": 0}, right()),
    spec(3, "distractors 0", {"evaluation.distractors": 0}, right()),
]


def option(method, setting, check):
    """A member: one option of a method."""
    return Member(
        3, f"--set {setting[:40]}", lambda box: planned(box, write(box), "--methods", method, "--set", setting), check
    )


OPTIONS = [
    option(method, f"{key}={value}", refused(key.replace(".", r"\.")))
    for method, key, values in (
        ("lora", "learner.rate", ("-1", "nan", "inf", "1e999", "0x1", "1_0", "", "1e308")),
        ("lora", "learner.cooldown", ("2", "-0.1", "nan")),
        ("lora", "lora.rank", ("0", "-1", "1.5", "9" * 4500, "1e3", "10000000")),
        ("dsc", "dsc.temperature", ("0", "-1", "inf")),
        ("dsc", "dsc.rate", ("-0.1",)),
        ("ewc", "ewc.strength", ("-1", "inf")),
        ("ewc", "ewc.decay", ("-1",)),
        ("ewc", "ewc.candidates", ("0", "-3")),
        ("ewc", "ewc.passes", ("0",)),
        ("ewc", "ewc.plain", ("yes", "2")),
        ("vera", "vera.rank", ("0",)),
    )
    for value in values
] + [
    option("lora", "learner.cooldown=0", right()),
    option("lora", "learner.cooldown=1", right()),
    option("lora", "lora.rank=1", right()),
    option("lora", "lora.rank=１", either("rank|classify")),
]


def argument(name, words, check, **more):
    """A member: arguments of a plan, or a whole command."""
    whole = words[0] in ("pretrain", "tune", "score", "check", "gc", "report")
    act = (lambda box: command(*words)) if whole else (lambda box: planned(box, write(box), *words))
    return Member(3, name, act, check, **more)


ARGUMENTS = [
    argument(" ".join(words)[:50], words, refused(words[-2].lstrip("-")))
    for words in (
        ("--seeds", "0"),
        ("--seeds", "-1"),
        ("--seeds", "9" * 4400),
        ("--seeds", "99999999999"),
        ("--threads", "0"),
        ("--threads", "-2"),
        ("--threads", "1000000"),
        ("--jobs", "0"),
        ("--jobs", "-1"),
        ("--jobs", "100000000"),
        ("--max-hours", "nan"),
        ("--max-hours", "0"),
        ("--max-hours", "-1"),
        ("--resolution", "nan"),
        ("--resolution", "-5"),
        ("--orders", "0"),
        ("--orders", "99"),
        ("--orders", "-1"),
        ("--lengths", "0"),
        ("--lengths", "3"),
        ("--lengths", "１"),
        ("pretrain", "--updates", "-5"),
        ("pretrain", "--updates", "0"),
        ("tune", "--methods", "lora", "--trials", "0"),
        ("tune", "--methods", "lora", "--trials", "-3"),
        ("tune", "--methods", "lora", "--seeds", "0"),
        ("tune", "--methods", "lora", "--length", "0"),
        ("tune", "--methods", "lora", "--length", "99"),
        ("check", "--methods", "lora", "--seeds", "0"),
        ("check", "--methods", "lora", "--jobs", "0"),
        ("score", "--threads", "0"),
    )
]


def _ranges(box, outcome):
    lines = [line for line in outcome.out.splitlines() if "learner.rate" in line or "cooldown" in line]
    return None if lines and "from 0 to 1" in outcome.out else "no ranges in the list of options"


MEMBERS = [
    *SPECS,
    *OPTIONS,
    *ARGUMENTS,
    Member(3, "list options has ranges", lambda box: command("list", "options"), right(_ranges)),
]
