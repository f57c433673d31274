"""The house rules that a machine can check."""

import ast
import statistics
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

from conftest import pytest_collection_modifyitems

ROOT = Path(__file__).parent.parent
FOLDERS = ("benchmark", "methods", "reports", "datasets_spec")
SOURCES = sorted(f for folder in FOLDERS for f in (ROOT / folder).rglob("*.py"))
TREES = {f: ast.parse(f.read_text()) for f in SOURCES}


def functions(tree):
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def length(node):
    return node.end_lineno - node.lineno + 1


def test_no_file_is_longer_than_250_lines_and_no_function_than_60():
    assert {f.name: n for f in SOURCES if (n := len(f.read_text().splitlines())) > 250} == {}
    assert {f.name: n.name for f in SOURCES for n in functions(TREES[f]) if length(n) > 60} == {}


def test_the_median_function_has_ten_lines_at_most():
    assert statistics.median(length(n) for f in SOURCES for n in functions(TREES[f])) <= 10


def test_the_list_of_packages_equals_the_folders():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    folders = {f.parent.relative_to(ROOT) for f in SOURCES}
    expected = {"cpbench"} | {".".join(["cpbench", *p.parts]) for p in folders}
    assert set(config["tool"]["setuptools"]["packages"]) == expected


def test_importing_the_command_line_loads_no_torch():
    import subprocess

    code = "import sys, cpbench.benchmark.cli.main, cpbench.reports; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_nothing_unpickles():
    for file in SOURCES:
        text = file.read_text()
        assert "import pickle" not in text
        assert text.count("torch.load(") == text.count("weights_only=True"), file


def test_one_module_writes_json_so_that_no_nan_is_written():
    writers = {f.name for f in SOURCES if any(_of_json(n, ("dump", "dumps")) for n in ast.walk(TREES[f]))}
    assert writers == {"plain_json.py"}


def _of_json(node, names):
    called = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "json"
    imported = isinstance(node, ast.ImportFrom) and node.module == "json"
    return (called and node.attr in names) or (imported and any(a.name in names for a in node.names))


def test_a_new_method_is_a_row_and_a_class_only():
    """A consolidation needs its own file and two lines elsewhere: its import and its entry."""
    text = (ROOT / "methods" / "build.py").read_text()
    assert text.count("Dsc") == 4, "import of class and options, one entry in CONSOLIDATIONS"


def test_the_parts_of_all_tests_are_all_of_them_and_share_none(monkeypatch):
    def kept(part):
        monkeypatch.setenv("CPBENCH_PART", part)
        items = [SimpleNamespace(nodeid=f"tests/test_a.py::test_{k}") for k in range(100)]
        config = SimpleNamespace(hook=SimpleNamespace(pytest_deselected=lambda items: None))
        pytest_collection_modifyitems(config, chosen := list(items))
        return [item.nodeid for item in chosen]

    one, two = kept("1/2"), kept("2/2")
    assert not set(one) & set(two) and len(one) + len(two) == 100 == len(kept("1/1")) and 30 < len(one) < 70
