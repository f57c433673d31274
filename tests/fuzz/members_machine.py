"""Members of the machine: terminals, encodings, streams; folders, files and locks of other users."""

import os

from fuzz.members import Member, command, refused, right
from fuzz.members_runs import records
from fuzz.members_specs import planned, write
from fuzz.sandbox import fault_of

OTHER = "nobody"


def printed(*parts):
    """A check: status 0, and all of this is printed as it is."""

    def test(box, outcome):
        flat = outcome.out.replace("\n", "")
        return next((f"eaten: {part}" for part in parts if part not in flat), None)

    return right(test)


def terminal(name, act, check, *streams):
    """A member of kind 8, with an encoding and other files for stdout and stderr."""
    return Member(8, name, act, check, streams=(*streams, *("utf-8", "", "")[len(streams) :]))


def _home(value):
    def act(box):
        os.environ["CPBENCH_HOME"] = value
        return command("gc", "--dry-run")

    return act


def _brackets(box):
    return command("report", "--only", "tables", "--results", records(box), "--out", box.allowed / "[red]r[" / "bold]")


def _ended(*statuses):
    """A check: one of these statuses, no traceback and no complaint of Python."""

    def check(box, outcome):
        return outcome.raised or (
            None if outcome.status in statuses else f"status {outcome.status}: {outcome.err[:200]}"
        )

    return check


def _columns(width, *words):
    def act(box):
        os.environ["COLUMNS"] = width
        return command(*words)

    return act


def _listed(folder):
    return lambda box: command("list", "runs", "--results", records(box, folder=folder))


TERMINALS = [
    terminal("a report into a folder with brackets", _brackets, printed("[red]r[")),
    terminal("gc of a store with brackets", _home("../allowed/[/x]"), printed("[/x]")),
    terminal("gc of a store named like a style", _home("../allowed/[bold]y"), printed("[bold]y")),
    terminal("records in a folder with a closing tag", _listed("[/nothing]"), right()),
    terminal("no runs of an id with brackets", lambda box: command("show", "[/red]"), refused(r"\[/red\]")),
    terminal("a suite file with brackets", lambda box: planned(box, box.input / "[red]no.yaml"), refused(r"\[red\]no")),
    terminal(
        "a method with a closing tag", lambda box: planned(box, write(box), "--methods", "[/]"), refused(r"\[/\]")
    ),
    terminal("a method with ESC", lambda box: planned(box, write(box), "--methods", "\x1b[2J"), refused("method")),
    terminal("CPBENCH_HOME=~/x, quoted", _home("~/x"), printed("/user/x ")),
    terminal("plan in ASCII", lambda box: planned(box, write(box)), right(), "ascii"),
    terminal("list of options in ASCII", lambda box: command("list", "options"), right(), "ascii"),
    terminal("list of methods in ASCII", lambda box: command("list", "methods"), right(), "ascii"),
    terminal("list of options in cp1252", lambda box: command("list", "options"), right(), "cp1252"),
    terminal("list of options in latin-1", lambda box: command("list", "options"), right(), "latin-1"),
    terminal("list of options in shift_jis", lambda box: command("list", "options"), right(), "shift_jis"),
    terminal(
        "report in ASCII",
        lambda box: command("report", "--only", "tables", "--results", records(box), "--out", box.allowed / "é"),
        right(),
        "ascii",
    ),
    terminal(
        "comparison in ASCII",
        lambda box: command("compare", "clora", "lora", "--results", records(box)),
        right(),
        "ascii",
    ),
    terminal("an error in ASCII", lambda box: command("show", "é→"), refused("no runs"), "ascii"),
    terminal("stdout is full", lambda box: command("list", "options"), _ended(1), "utf-8", "/dev/full"),
    terminal(
        "stdout and stderr are full",
        lambda box: command("list", "options"),
        _ended(1),
        "utf-8",
        "/dev/full",
        "/dev/full",
    ),
    terminal("stderr is full", lambda box: command("show", "nothing"), _ended(1, 2), "utf-8", "", "/dev/full"),
    terminal(
        "JSON to a full stdout", lambda box: command("list", "methods", "--json"), _ended(1), "utf-8", "/dev/full"
    ),
    terminal("0 columns", _columns("0", "list", "methods"), right()),
    terminal("1 column", _columns("1", "list", "options"), right()),
    terminal("columns in words", _columns("wide", "list", "methods"), right()),
    terminal("columns of 30 digits", _columns("9" * 30, "gc", "--dry-run"), right()),
]


def foreign(name, act, check):
    """A member of kind 9, as a user without privileges; ``act`` gets a sandbox that this user owns."""
    return Member(9, name, act, check, user=OTHER)


def _closed(place, mode=0o000):
    """Take the rights of a path away while the command runs."""

    def around(words, prepare=lambda box: None):
        def act(box):
            prepare(box)
            path = box.root / place
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.mkdir()
            path.chmod(mode)
            try:
                return command(*words(box))
            finally:
                path.chmod(0o755)

        return act

    return around


def _plan(box, *words):
    return ("run", "--methods", "base", "--suite", write(box), "--dry-run", "--out", box.allowed / "out", *words)


def _run(box):
    return ("run", "--methods", "base", "--suite", write(box), "--out", box.allowed / "out", "--quiet")


def _suite(box):
    write(box)


def _records(box):
    records(box)


def _chosen(box):
    return "report", "--only", "tables", "--results", box.input / "records", "--out", box.allowed / "report"


def _picture(box):
    from fuzz.specs import REX

    write(box, {"concepts.0": REX})


def _replan(box):
    return ("run", "--methods", "base", "--suite", box.input / "suite.yaml", "--dry-run", "--out", box.allowed / "out")


def _lock(box):
    (box.store / "units" / ".locks").mkdir(parents=True)


def _file(box):
    box.allowed.joinpath("out").write_text("a file")


USERS = [
    foreign("a store that is read-only", _closed("store", 0o555)(_plan), refused("CPBENCH_HOME|store")),
    foreign("a store that may not be entered", _closed("store")(_plan), refused("CPBENCH_HOME|store")),
    foreign("a real run in a store that is read-only", _closed("store", 0o555)(_run), refused("CPBENCH_HOME|store")),
    foreign("units that are read-only", _closed("store/units", 0o555)(_run), refused("store/units|CPBENCH_HOME")),
    foreign(
        "locks that are read-only", _closed("store/units/.locks", 0o555)(_run, _lock), refused("locks|CPBENCH_HOME")
    ),
    foreign(
        "locks that may not be entered", _closed("store/units/.locks")(_plan, _lock), refused("locks|CPBENCH_HOME")
    ),
    foreign("features that may not be entered", _closed("store/features")(_run), refused("features|CPBENCH_HOME")),
    foreign("--out that is read-only", _closed("allowed/out", 0o555)(_run), refused("out")),
    foreign("--out below a read-only folder", _closed("allowed", 0o555)(_run), refused("out")),
    foreign(
        "a folder of the suite in --out that is read-only",
        _closed("allowed/out/tiny-2", 0o555)(_run),
        refused("tiny-2|out"),
    ),
    foreign(
        "a folder of the method in --out that is read-only",
        _closed("allowed/out/tiny-2/base", 0o555)(_run),
        refused("base|out"),
    ),
    foreign("--out is a file", lambda box: (_file(box), command(*_run(box)))[1], refused("out")),
    foreign("a suite that may not be read", _closed("input/suite.yaml")(_replan, _suite), refused(r"suite\.yaml")),
    foreign("a suite in a folder that may not be entered", _closed("input")(_replan, _suite), refused(r"suite\.yaml")),
    foreign("a picture that may not be read", _closed("input/rex/0.png")(_replan, _picture), refused(r"0\.png")),
    foreign("a folder of pictures that may not be entered", _closed("input/rex")(_replan, _picture), refused("rex")),
    foreign("a report into a read-only folder", _closed("allowed/report", 0o555)(_chosen, _records), refused("report")),
    foreign("records that may not be entered", _closed("input/records")(_chosen, _records), refused("records")),
    foreign(
        "gc in a read-only store",
        _closed("store", 0o555)(lambda box: ("gc", "--dry-run")),
        lambda box, o: fault_of(o, (0, 2)),
    ),
    foreign(
        "doctor in a read-only store",
        _closed("store", 0o555)(lambda box: ("doctor", "--quick")),
        lambda box, o: fault_of(o, (0, 1)),
    ),
    foreign(
        "a cache folder that is missing and cannot be made",
        _closed("user", 0o555)(
            lambda box: _plan(box), lambda box: os.environ.pop("CPBENCH_HOME") and os.environ.pop("XDG_CACHE_HOME")
        ),
        refused("CPBENCH_HOME"),
    ),
    foreign(
        "tuning into a read-only folder",
        _closed("allowed/t", 0o555)(
            lambda box: (
                "tune",
                "--methods",
                "lora",
                "--suites",
                write(box),
                "--length",
                "1",
                "--out",
                box.allowed / "t",
            )
        ),
        refused("/t"),
    ),
    foreign(
        "pretraining into a read-only folder",
        _closed("allowed/p", 0o555)(lambda box: ("pretrain", "--out", box.allowed / "p", "--updates", "1")),
        refused("/p"),
    ),
]
MEMBERS = TERMINALS + USERS
