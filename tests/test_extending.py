"""The examples of docs/extending.md: each is run, and the package it shows is the one that the tests install."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from pages import page_text, written_in
from plugin_folder import PLUGIN

from conftest import status_of
from cpbench.benchmark.protocol import unwatched
from cpbench.benchmark.records.reading import read_records
from cpbench.benchmark.scoring.metrics import Cell, rows
from cpbench.benchmark.scoring.profiles import load_profile
from cpbench.benchmark.suite.concepts import check_suite
from cpbench.benchmark.suite.spec import load_suite
from cpbench.methods.adapters import base
from cpbench.methods.build import ADAPTERS
from cpbench.methods.catalogue import CATALOGUE, MethodRow
from cpbench.methods.consolidations.base import Consolidation
from cpbench.methods.registry import choose
from cpbench.methods.training import Trainer
from learners import CAT

PAGE = page_text("docs/extending.md")


def blocks(language):
    return written_in(language, PAGE)


def test_the_package_on_the_page_is_the_one_that_is_installed_by_the_tests():
    assert blocks("toml")[0] == (PLUGIN / "pyproject.toml").read_text()
    assert blocks("python")[1] == (PLUGIN / "cpbench_anchor" / "__init__.py").read_text()


def test_the_row_on_the_page_is_a_method_that_learns(pristine, monkeypatch):
    row = eval(blocks("python")[0], {"MethodRow": MethodRow})
    monkeypatch.setitem(CATALOGUE, row.name, row)
    (chosen,) = choose(row.name, {})
    assert chosen.options["ewc"]["passes"] == 5
    assert "ewc.fisher_mean" in chosen.make(pristine.copy(), 0).learn(CAT, unwatched)


def test_the_metric_on_the_page_is_measured_per_picture(monkeypatch):
    namespace = {}
    exec(blocks("python")[2], namespace)
    metric = namespace["CONTRAST"]
    (point,) = tomllib.loads(blocks("toml")[1])["project"]["entry-points"]["cpbench.metrics"].items()
    assert point == (metric.name, "my_package:CONTRAST")
    monkeypatch.setitem(rows.__globals__["METRICS"], metric.name, metric)
    pictures = np.zeros((2, 4, 4, 3), np.uint8)
    pictures[1, :2] = 255
    cell = Cell("concept", pictures, np.array([0, 1]), np.zeros((2, 3)))
    assert [row["value"] for row in rows("contrast", cell, load_profile("toybox"))] == [0, 0.5]
    assert list(rows("contrast", Cell("prior", pictures, None, np.zeros((2, 3))), load_profile("toybox"))) == []


def test_the_suite_on_the_page_runs_by_the_command_below_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("two-pets.yaml").write_text(blocks("yaml")[0])
    check_suite(load_suite("two-pets.yaml"))
    (command,) = re.findall(r"^cpbench (run .*two-pets.*)$", PAGE, re.MULTILINE)
    assert status_of(*command.split(), "--quiet") == 0
    ((_, record),) = read_records(Path("runs"), on_fault=pytest.fail)
    assert record.status == "ok"


def table(header):
    """The rows of the table under a header, as cells."""
    (found,) = re.findall(rf"^\| {header} \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found.splitlines()]


def codes(text):
    return re.findall(r"`(\w+)`", text)


@pytest.mark.parametrize("section", ADAPTERS)
def test_the_table_of_capabilities_is_true(section, pristine):
    make, options = ADAPTERS[section]
    mine = pristine.copy()
    adapter = make(mine, 0, options()) if options else make(mine, 0)
    for name, _, methods, adapters in table("capability"):
        if found := codes(name):
            assert isinstance(adapter, getattr(base, found[0])) == (section in codes(adapters))
        assert (section in codes(adapters)) == all(hasattr(adapter, method) for method in codes(methods))


def test_the_methods_of_a_consolidation_and_of_a_trainer_are_those_on_the_page():
    own = {re.match(r"\w+", code)[0] for cells in table("method") for code in re.findall(r"`([^`]+)`", cells[0])}
    assert own == {name for name, value in vars(Consolidation).items() if callable(value) and name[0] != "_"}
    used = set(re.findall(r"`trainer\.(\w+)", PAGE))
    assert used == {name for name in {*vars(Trainer), *Trainer.__annotations__} if name[0] != "_"}
