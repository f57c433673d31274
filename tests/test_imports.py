"""The rooms of the house: imports go one way, and no circle exists."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PLANTED = {
    "errors know nothing": ("benchmark/errors.py", "from .records.result import Result"),
    "a suite reads no models": ("benchmark/suite/spec.py", "from ..models.backbone import Backbone"),
    "scores are planned elsewhere": ("benchmark/scoring/scorer.py", "from ..plan.units import Unit"),
    "a plan runs nothing": ("benchmark/plan/grid.py", "from ..run.session import Session"),
    "the benchmark knows no method": ("benchmark/run/runner.py", "from ...methods.learner import Learner"),
    "verbs print nothing": ("benchmark/verbs/sweep.py", "from ..cli.console import table"),
    "a consolidation knows no learner": ("methods/consolidations/dsc.py", "from ..learner import Learner"),
    "a method sees no suite": ("methods/learner.py", "from ..benchmark.suite.spec import Suite"),
    "numbers know no pages": ("reports/analysis/stats.py", "from ..site.cells import TableCell"),
    "reports know no methods": ("reports/write.py", "from ..methods.catalogue import CATALOGUE"),
    "a circle for types alone": (
        "benchmark/storage/store.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .inventory import Inventory",
    ),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the code, under the name of the package."""
    copy = tmp_path_factory.mktemp("tree") / "cpbench"
    copy.mkdir()
    for name in ("benchmark", "methods", "reports"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "weights", "*.json"))
    shutil.copy(ROOT / "__init__.py", copy)
    shutil.copy(ROOT / "pyproject.toml", copy.parent)
    return copy


def lint(tree):
    """Exit status and output of ``lint-imports`` on a copy of the tree."""
    code = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as lint; lint()"
    call = [sys.executable, "-c", code, "--no-cache", "pyproject.toml"]
    done = subprocess.run(call, capture_output=True, text=True, cwd=tree.parent, check=False)
    return done.returncode, done.stdout + done.stderr


def test_imports_go_one_way_and_in_no_circle(tree):
    status, out = lint(tree)
    assert status == 0, out


@pytest.mark.parametrize("rule", PLANTED)
def test_a_wrong_import_is_found(tree, rule):
    file, line = PLANTED[rule]
    source = (tree / file).read_text()
    (tree / file).write_text(f"{source}\n{line}\n")
    try:
        status, out = lint(tree)
    finally:
        (tree / file).write_text(source)
    assert status == 1 and "BROKEN" in out, out
