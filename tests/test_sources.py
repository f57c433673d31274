"""A digest of code changes with what decides a number, and with nothing else."""

import ast
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpbench.benchmark.run.code import DECIDING
from cpbench.benchmark.sources import code_digest, essence, file_of, files_of, modules_of
from cpbench.methods import parts
from cpbench.methods.catalogue import CATALOGUE
from cpbench.methods.parts import code_of

HERE = "cpbench.benchmark."
BEFORE = '''
"""What this module does."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

RATE: float = 0.5
"""How fast."""


class Options:
    """Options of it."""

    decay: float = 1.0
    steps: int


def mean(values: Sequence[float], file: Path | None = None) -> float:
    """The mean."""
    total: float = sum(values)
    if not values:
        raise ValueError("no values to take the mean of")
    return RATE * total / len(values)  # a share
'''


def same(old, new):
    assert BEFORE.count(old) >= 1
    return essence(BEFORE)[0] == essence(BEFORE.replace(old, new))[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # a share", "  # any other comment"),
        ('"""The mean."""', '"""Their mean, (n,)."""'),
        ('"""How fast."""', ""),
        ('"""What this module does."""\n', ""),
        ("values: Sequence[float]", "values: list[float]"),
        ("total: float = sum(values)", "total = sum(values)"),
        ("-> float:", "-> int:"),
        ("from collections.abc import Sequence\n", "from collections.abc import Collection, Sequence\n"),
        ("RATE * total / len(values)", "(RATE  *  total) / len(\n        values,\n    )"),
        ('"no values to take the mean of"', '"give at least one value"'),
        ("    from pathlib import Path\n", "    from os import PathLike\n"),
        ("steps: int", "steps: float"),
        ("\n\n\ndef mean", "\n\ndef mean"),
    ],
)
def test_what_cannot_change_a_number_does_not_change_the_digest(old, new):
    assert same(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.5", "0.25"),
        ("RATE * total", "-RATE * total"),
        ("total / len", "total // len"),
        ("sum(values)", "max(values)"),
        ("if not values", "if values"),
        ("raise ValueError", "raise KeyError"),
        ("decay: float = 1.0\n", "decay = 1.0\n"),
        ("    decay: float = 1.0\n    steps: int\n", "    steps: int\n    decay: float = 1.0\n"),
        ("file: Path | None = None", "file: Path | None = 0"),
        ("def mean(", "def average("),
        ("return RATE", "return 1 + RATE"),
    ],
)
def test_what_may_change_a_number_changes_the_digest(old, new):
    assert not same(old, new)


def test_an_import_that_only_an_annotation_uses_does_not_count():
    one = "from a import Sequence, f\ndef g(x: Sequence) -> None:\n    return f(x)\n"
    two = "from a import f, Collection\ndef g(x: Collection) -> None:\n    return f(x)\n"
    three = "from b import f, Collection\ndef g(x: Collection) -> None:\n    return f(x)\n"
    assert essence(one)[0] == essence(two)[0] != essence(three)[0]


@given(st.data())
def test_every_changed_number_and_operator_of_the_package_is_seen(data):
    """Any constant number, comparison or operator of any module that decides a number."""
    modules = sorted(modules_of(DECIDING[data.draw(st.sampled_from(sorted(DECIDING)))]))
    source = file_of(data.draw(st.sampled_from(modules))).read_text()
    tree = ast.parse(source)
    left_out = {id(n) for part in texts_and_annotations(tree) for n in ast.walk(part)}
    swaps = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Lt: ast.GtE}
    nodes = [n for n in ast.walk(tree) if id(n) not in left_out]
    places = [n for n in nodes if isinstance(n, ast.Constant) and type(n.value) in (int, float)]
    places += [n for n in nodes if isinstance(n, ast.BinOp) and type(n.op) in swaps]
    if places:
        chosen = data.draw(st.sampled_from(places))
        if isinstance(chosen, ast.Constant):
            chosen.value += 1
        else:
            chosen.op = swaps[type(chosen.op)]()
        assert essence(ast.unparse(tree))[0] != essence(source)[0]


def texts_and_annotations(tree):
    for n in ast.walk(tree):
        parts = (getattr(n, "annotation", None), getattr(n, "returns", None), n if isinstance(n, ast.Raise) else None)
        yield from (part for part in parts if part is not None)


def test_all_modules_with_code_that_runs_in_a_unit_are_in_its_digest():
    """Every module of methods, models, scoring, suites and the toybox world is in the digest of some unit or method."""
    known = set().union(*(modules_of(entries, draws=kind == "draw") for kind, entries in DECIDING.items()))
    for row in CATALOGUE.values():
        known |= modules_of(_parts(row)) if row.adapter else set()
    rooms = ["methods", *(f"benchmark/{room}" for room in ("models", "scoring", "suite", "toybox", "run/work"))]
    root = file_of("cpbench.benchmark.sources").parents[1]
    there = {f for room in rooms for f in (root / room).rglob("*.py") if f.name != "__init__.py"}
    missing = {f.relative_to(root).as_posix() for f in there} - {file_of(m).relative_to(root).as_posix() for m in known}
    names_and_options = {
        "registry",
        "build",
        "configure",
        "parts",
        "catalogue",
        "papers",
        "row",
        "descriptions",
        "plugins",
        "search_space",
        "presets",
    }
    options = {f.relative_to(root).as_posix() for f in (root / "methods" / "options").glob("[!_]*.py")}
    assert {m for m in missing if Path(m).stem not in names_and_options} - options == {
        "benchmark/scoring/profiles.py",  # its values are in the keys, as are those of options
        "benchmark/models/footprint.py",  # memory is counted, and nothing computed
        "methods/footprint.py",
        "benchmark/scoring/trial.py",  # what conformance tries metrics on
        "benchmark/suite/own.py",  # makes suites, whose values are in the keys
        "benchmark/suite/nouns.py",
        "benchmark/models/foreign.py",  # in the code of the method of adapters of other programs
        "methods/foreign.py",
        "methods/portable.py",  # what exports read
    }


def test_options_are_values_alone_since_only_their_values_are_in_keys():
    folder = file_of("cpbench.methods.build").parent / "options"
    for module in (ast.parse(file.read_text()) for file in folder.glob("[!_]*.py")):
        assert not [n for n in ast.walk(module) if isinstance(n, ast.FunctionDef | ast.Lambda)]


def _parts(row):
    from cpbench.methods.build import ADAPTERS, CONSOLIDATIONS
    from cpbench.methods.learner import Learner

    classes = [ADAPTERS[row.adapter][0], *(CONSOLIDATIONS[c][0] for c in row.consolidations)]
    return [Learner.__module__, *(part.__module__ for part in classes)]


def test_the_modules_of_a_method_are_found_without_importing_them():
    for name, row in CATALOGUE.items():
        assert parts.modules_of(name) == (_parts(row) if row.adapter else [])


def test_methods_share_a_digest_only_if_they_have_the_same_parts():
    codes = {name: code_of(name) for name in CATALOGUE}
    for a, one in CATALOGUE.items():
        for b, two in CATALOGUE.items():
            alike = (one.adapter, set(one.consolidations)) == (two.adapter, set(two.consolidations))
            assert (codes[a] == codes[b]) == alike, (a, b)


def test_a_digest_without_any_file_of_a_module_that_does_not_exist_is_refused():
    with pytest.raises(FileNotFoundError, match="nowhere"):
        code_digest([HERE + "nowhere"])


def test_the_digest_of_a_plug_in_covers_its_helpers_and_what_it_imports_from_cpbench(tmp_path, monkeypatch):
    package = tmp_path / "helped"
    package.mkdir()
    (package / "__init__.py").write_text("from .helper import factor\nfrom cpbench.methods.learner import Learner\n")
    (package / "helper.py").write_text("factor = 2.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    point = EntryPoint("helped", "helped:Learner", "cpbench.methods")
    files = files_of(point)
    assert [f.name for f in files] == ["__init__.py", "helper.py"]
    one = code_digest((), files)
    (package / "helper.py").write_text("# twice as much\nfactor = 2.0\n")
    assert code_digest((), files) == one
    (package / "helper.py").write_text("factor = 2.5\n")
    two = code_digest((), files)
    (package / "__init__.py").write_text("from .helper import factor\n")
    assert len({one, two, code_digest((), files)}) == 3
    sys.modules.pop("helped", None)


def test_a_file_of_a_plug_in_that_is_no_python_of_this_version_counts_by_its_bytes(tmp_path):
    file = tmp_path / "old.py"
    file.write_text("print 'hello'\n")
    one = code_digest((), [file])
    file.write_text("print 'hello, you'\n")
    assert one != code_digest((), [file])
