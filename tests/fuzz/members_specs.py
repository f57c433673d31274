"""Members in the texts of specs: names, YAML, twice the same, nouns."""

import copy

import yaml
from fuzz.members import Member, command, either, refused, right
from fuzz.specs import REX, TINY, pictures


def put(data, place, value):
    """Set a value at a place such as ``concepts.0.name``."""
    *path, last = [int(key) if key.isdigit() else key for key in place.split(".")]
    for key in path:
        data = data[key]
    data[last] = value


def write(box, changes=(), text=None, name="suite.yaml"):
    """The tiny suite with changes by place, or any text or bytes, as a file; its folder has pictures of a dog."""
    data = copy.deepcopy(TINY)
    for place, value in dict(changes).items():
        put(data, place, value)
    path = box.input / name
    content = yaml.safe_dump(data, sort_keys=False) if text is None else text
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if not (box.input / "rex").exists():
        pictures(box.input / "rex")
    return path


def planned(box, path, *words):
    """The outcome of planning a suite."""
    methods = () if "--methods" in words else ("--methods", "base")
    return command("run", *methods, "--suite", path, "--dry-run", "--out", box.allowed / "out", *words)


def spec(kind, name, changes, check, **more):
    """A member: the tiny suite with changes."""
    return Member(kind, name, lambda box: planned(box, write(box, changes)), check, **more)


def text(name, edit, check, file="suite.yaml"):
    """A member: the text of the tiny suite, edited."""
    plain = yaml.safe_dump(TINY, sort_keys=False)
    return Member(4, name, lambda box: planned(box, write(box, text=edit(plain), name=file)), check)


def _named(value):
    return {"name": value}


WHERE = r"suite\.yaml"
NAMES = [
    spec(2, f"suite name {label}", _named(value), refused(WHERE + r".*name"))
    for label, value in (
        ("a/b", "a/b"),
        ("..", ".."),
        (".", "."),
        ("empty", ""),
        ("a space", " "),
        ("absolute", "/tmp/x"),
        ("of 300 letters", "x" * 300),
        ("of 200 letters of two bytes", "é" * 200),
        ("with NUL", "a\0b"),
        ("with a newline", "a\nb"),
        ("a\\b", "a\\b"),
        ("with ESC", "a\x1b[2Jb"),
        ("right to left", "\u202eabc"),
        ("null", None),
        ("a number", 12),
        ("a list", ["a"]),
    )
] + [
    spec(2, "title with ESC", {"title": "\x1b]0;x\x07"}, refused(WHERE + r".*title")),
    spec(2, "concept name ../x", {"concepts.0.name": "../x"}, refused(WHERE + r".*\.\./x")),
    spec(2, "concept name of 300 letters", {"concepts.0.name": "x" * 300}, refused(WHERE)),
    spec(2, "folder /etc", {"concepts.0": REX | {"folder": "/etc"}}, refused(r"/etc")),
    spec(2, "folder ../x", {"concepts.0": REX | {"folder": "../x"}}, refused(r"\.\./x")),
    spec(2, "folder with NUL", {"concepts.0": REX | {"folder": "a\0b"}}, refused(WHERE)),
    spec(2, "folder empty", {"concepts.0": REX | {"folder": ""}}, refused(WHERE + r"|rex")),
    spec(2, "folder of 5000 letters", {"concepts.0": REX | {"folder": "x" * 5000}}, refused("rex|folder")),
    spec(2, "backbone ../..", {"backbone": "../.."}, refused(r"\.\./\.\.")),
    spec(2, "backbone empty", {"backbone": ""}, refused("backbone")),
    spec(2, "backbone with newline", {"backbone": "a\nb"}, refused("backbone|model|a.nb")),
    spec(2, "profile a/b", {"evaluation.profile": "a/b"}, refused("profile.*a/b|a/b")),
    Member(
        2, "method ../x", lambda box: planned(box, write(box), "--methods", "../x"), refused(r"unknown method.*\.\./x")
    ),
    Member(
        2, "method with NUL", lambda box: planned(box, write(box), "--methods", "a\0b"), refused("NUL|unknown method")
    ),
    Member(2, "--suite with NUL", lambda box: planned(box, "a\0b.yaml"), refused("NUL|suite")),
    Member(2, "--suite of 5000 letters", lambda box: planned(box, "x" * 5000 + ".yaml"), refused("suite|long")),
    Member(2, "list runs --results with NUL", lambda box: command("list", "runs", "--results", "a\0b"), refused("a")),
    Member(2, "show with a path for an id", lambda box: command("show", "../../etc"), refused("no run")),
    spec(2, "suite name with a dot inside", _named("v1.2"), right()),
]

YAML = [
    text(
        "key twice at the top",
        lambda t: t + "name: other\n",
        refused(r"name.*(twice|duplicate|second|already)|twice.*name"),
    ),
    text("key twice inside", lambda t: t.replace("  steps: 3\n", "  steps: 3\n  steps: 9\n"), refused(r"steps")),
    text("version 010", lambda t: t.replace("version: 1", "version: 010"), refused("version|010")),
    text("steps 1:30", lambda t: t.replace("steps: 3", "steps: 1:30"), refused("steps|1:30")),
    text("version yes", lambda t: t.replace("version: 1", "version: yes"), refused("version")),
    text("version true", lambda t: t.replace("version: 1", "version: true"), refused("version")),
    text("version 1_0", lambda t: t.replace("version: 1", "version: 1_0"), refused("version")),
    text("version +1e0", lambda t: t.replace("version: 1", "version: '1'"), refused("version")),
    text("title no stays a text", lambda t: t.replace("title: Two individuals, few steps.", "title: no"), right()),
    text("title of a date", lambda t: t.replace("title: Two individuals, few steps.", "title: 2026-01-02"), right()),
    text(
        "title of a bad date", lambda t: t.replace("title: Two individuals, few steps.", "title: 2026-99-99"), right()
    ),
    text(
        "alias",
        lambda t: t.replace("version: 1", "version: &a 1").replace("batch: 2", "batch: *a"),
        refused("alias|anchor|&a"),
    ),
    text("tag", lambda t: t.replace("version: 1", "version: !!int '1'"), refused("tag|!!int")),
    text("python tag", lambda t: t + "x: !!python/object/apply:os.getcwd []\n", refused("tag|python")),
    text("merge key", lambda t: t + "<<: {version: 2}\n", refused("<<|merge")),
    text("deep nesting", lambda t: t + "x: " + "[" * 3000 + "]" * 3000 + "\n", refused("nest|deep")),
    text("tab as indentation", lambda t: t.replace("  steps: 3", "\tsteps: 3"), refused("line \\d+")),
    text("two documents", lambda t: t + "---\n" + t, refused("document")),
    text("empty file", lambda t: "", refused(WHERE)),
    text("a list at the top", lambda t: "- 1\n", refused(WHERE)),
    text("only a comment", lambda t: "# nothing\n", refused(WHERE)),
    text("latin-1", lambda t: t.replace("few steps", "wenig Übung").encode("latin-1"), refused(WHERE)),
    text("UTF-16", lambda t: t.encode("utf-16"), either(WHERE + "|classify")),
    text("NUL bytes", lambda t: "\0" * 50, refused(WHERE)),
    text("a key that is a list", lambda t: t + "[1, 2]: 3\n", refused(WHERE)),
    text("a key that is null", lambda t: t + "null: 3\n", refused(WHERE)),
    text("lone surrogate", lambda t: t + 'x: "\\ud800"\n', refused(WHERE)),
    text(
        "integer of 5000 digits",
        lambda t: t.replace("version: 1", "version: " + "9" * 5000),
        refused("line 2, column 10|version|digit"),
    ),
    text("unknown key", lambda t: t + "seeds: 3\n", refused("seeds")),
    text("byte order mark", lambda t: "\ufeff" + t, right()),
    text("lines of Windows", lambda t: t.replace("\n", "\r\n"), right()),
    text("suffix .YAML", lambda t: t, right(), file="suite.YAML"),
    text("suffix .yml", lambda t: t, right(), file="suite.yml"),
    text("suffix .Yml", lambda t: t, right(), file="suite.Yml"),
    text("brackets in the file name", lambda t: t, right(), file="[red]x[bold].yaml"),
    Member(4, "a folder named suite.yaml", lambda box: planned(box, _folder(box)), refused(WHERE)),
    Member(4, "a link to nowhere", lambda box: planned(box, _broken(box)), refused(WHERE)),
    Member(4, "a loop of links", lambda box: planned(box, _broken(box, "suite.yaml")), refused(WHERE)),
    Member(4, "a pipe", lambda box: planned(box, _pipe(box)), refused(WHERE)),
    Member(4, "no such file", lambda box: planned(box, box.input / "none.yaml"), refused("none.yaml")),
]


def _folder(box):
    (box.input / "suite.yaml").mkdir()
    return box.input / "suite.yaml"


def _broken(box, to="nowhere"):
    (box.input / "suite.yaml").symlink_to(box.input / to)
    return box.input / "suite.yaml"


def _pipe(box):
    import os

    os.mkfifo(box.input / "suite.yaml")
    return box.input / "suite.yaml"


def _methods(*words):
    return lambda box: planned(box, write(box), *words)


TWICE = [
    spec(
        5,
        "two concepts of one noun and seed",
        {"concepts.1": {"name": "b", "noun": "cat", "toybox": 11}},
        refused("mallow|same|twice|11"),
    ),
    spec(5, "a concept that is its own look-alike", {"concepts.0.toybox": 900_000}, refused("900.?000|look-alike")),
    spec(5, "a concept that is another's look-alike", {"concepts.1.toybox": 900_001}, refused("900.?001|look-alike")),
    spec(
        5, "an evaluation prompt twice", {"prompts.evaluation": ["photo of a {}"] * 2}, either("twice|same|photo of a")
    ),
    spec(5, "a prior prompt twice", {"prompts.prior": ["a red cup"] * 2}, either("twice|same|red cup")),
    spec(5, "a pair prompt twice", {"prompts.pairs": ["a {} and a {}"] * 2}, either("twice|same|and a")),
    spec(
        5,
        "prompts that differ by spaces",
        {"prompts.prior": ["a red cup", "a  red cup "]},
        either("twice|same|red cup|space"),
    ),
    spec(5, "one name for two concepts", {"concepts.1.name": "mallow"}, refused("mallow")),
    spec(5, "two concepts of one folder", {"concepts": [REX, REX | {"name": "max"}]}, refused("rex|same|twice")),
    spec(
        5,
        "one folder in two spellings",
        {"concepts": [REX, REX | {"name": "max", "folder": "./rex/"}]},
        refused("rex|same|twice"),
    ),
    Member(
        5,
        "one method twice",
        _methods("--methods", "base,base"),
        either("base.*(twice|once)|(twice|once).*base|2 times"),
    ),
    Member(5, "one order twice", _methods("--orders", "1,2/1,2"), either("twice|once|2 times")),
    Member(
        5, "one order by places and by names", _methods("--orders", "1,2/mallow,rumble"), either("twice|once|2 times")
    ),
    Member(5, "one length twice", _methods("--lengths", "2,2"), either("twice|once|2 times")),
    Member(
        5,
        "one option twice",
        _methods("--methods", "lora", "--set", "lora.rank=2", "--set", "lora.rank=4"),
        refused("twice"),
    ),
]
NOUNS = [
    spec(10, f"noun {label} of pictures in a folder", {"concepts.0": REX | {"noun": noun}}, refused("noun|suite.yaml"))
    for label, noun in (
        ("empty", ""),
        ("a space", " "),
        ("with a newline", "a\nb"),
        ("of 300 letters", "x" * 300),
        ("a placeholder", "{}"),
        ("null", None),
        ("of 200 words", "very " * 200 + "dog"),
    )
] + [
    spec(10, "noun unknown to the toybox", {"concepts.0.noun": "Cat"}, refused("Cat")),
    spec(10, "noun of two words", {"concepts.0": REX | {"noun": "old dog"}}, either("noun|classify")),
    spec(
        10,
        "noun of the embedding's own mark",
        {"concepts.0": REX | {"noun": "<|endoftext|>"}},
        refused("noun|endoftext"),
    ),
    spec(10, "noun of emoji", {"concepts.0": REX | {"noun": "🐱"}}, either("noun|classify|🐱")),
    spec(10, "concept named prior", {"concepts.0.name": "prior"}, refused("prior")),
    spec(10, "concept names that differ by case", {"concepts.1.name": "Mallow"}, refused("Mallow")),
]
MEMBERS = NAMES + YAML + TWICE + NOUNS
