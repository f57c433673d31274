"""What the README and the other pages hold equals the code; their examples run."""

import os
import re
import subprocess
import sys
import tomllib
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
import yaml
from pages import ROOT, page_text, with_few_steps, written_in
from PIL import Image
from typer.main import get_command

import cpbench as package
from conftest import CODE, status_of, write_suite
from cpbench.benchmark.cli.main import app
from cpbench.benchmark.plan.planner import Planner
from cpbench.benchmark.records.result import write_result
from cpbench.benchmark.scoring.metrics import METRICS
from cpbench.benchmark.scoring.profiles import PROFILES, load_profile
from cpbench.benchmark.suite.concepts import (
    check_suite,
    lookalike_pictures,
    reference_pictures,
    training_pictures,
)
from cpbench.benchmark.suite.spec import load_suite
from cpbench.methods.catalogue import CATALOGUE
from cpbench.methods.registry import choose
from cpbench.reports.analysis.summaries import SUMMARIES
from synthetic import record

README = page_text("README.md")
OWN = page_text("docs/own-pictures.md")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
TERMS = (
    "adapter consolidation token concept class-noun prior floor ceiling cell unit record store profile extractor "
    "protocol identity plasticity forgetting intransigence rank-interval "
    "TI LoRA C-LoRA EWC DC DSC VeRA LwF MMD KID CLIP-I CLIP-T DINO"
).split()


def block(language: str, text: str = README) -> str:
    """The first code block of a language."""
    found = written_in(language, text)
    assert found, language
    return found[0]


def row_of(method: str) -> str:
    """The row of a method in the table of the README."""
    row = CATALOGUE[method]
    name = f"[`{method}`]({row.paper})" if row.paper else f"`{method}`"
    return f"| {name} | {' + '.join([row.adapter, *row.consolidations]) or '–'} | {row.sentence} |"


def test_the_readme_lists_every_method_with_its_parts_and_its_sentence():
    table = "\n".join(map(row_of, CATALOGUE))
    assert table in README, f"put this table into README.md:\n{table}"


def run_script(folder: Path, text: str, home: Path) -> str:
    """What a script prints that is run on its own, in a folder of its own."""
    (folder / "script.py").write_text(text)
    environment = os.environ | {"CPBENCH_HOME": str(home)}
    ended = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def check_output(folder: Path, printed: str) -> None:
    for name in ("lora", "ti", "average", "plasticity", "forgetting"):
        assert name in printed
    with Image.open(folder / "identity.png") as plot:
        assert np.asarray(plot.convert("L")).std() > 0
    assert len(list(folder.glob("results-demo/*/*/*.json"))) == 2


def test_the_script_of_the_readme_has_15_lines_at_most_and_guards_its_main_part():
    script = block("python")
    assert len(script.splitlines()) <= 15
    assert 'if __name__ == "__main__":' in script and 'suite="toybox-2"' in script


def test_the_script_of_the_readme_runs_on_a_tiny_suite(tmp_path):
    tiny = write_suite(tmp_path)
    printed = run_script(tmp_path, block("python").replace("toybox-2", tiny.name), tmp_path / "home")
    check_output(tmp_path, printed)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_script_of_the_readme_runs_as_it_is(tmp_path):
    check_output(tmp_path, run_script(tmp_path, block("python"), tmp_path / "home"))


@pytest.fixture
def own_suite(tmp_path):
    """The suite file of the page on own pictures, with the pictures that it asks for."""
    rng = np.random.default_rng(0)
    for folder in ("cat", "mug"):
        (tmp_path / folder).mkdir()
        for k in range(1, 7):
            Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8)).save(tmp_path / folder / f"photo-{k}.jpg")
    (tmp_path / "mine.yaml").write_text(block("yaml", OWN))
    return tmp_path / "mine.yaml"


def test_the_suite_of_the_docs_is_one_of_two_folders(own_suite):
    suite = load_suite(str(own_suite))
    check_suite(suite)
    assert [c.folder for c in suite.concepts] == ["cat", "mug"]
    assert training_pictures(suite, suite.concepts[0]).shape == (5, 64, 64, 3)


def test_references_and_distractors_have_no_effect_on_folders_as_the_docs_promise(own_suite):
    def pictures(suite):
        who = suite.concepts[0]
        return len(reference_pictures(suite, who)), lookalike_pictures(suite, (who,))

    suite = load_suite(str(own_suite))
    fewer = suite.evaluation.model_copy(update={"references": 2, "distractors": 0})
    assert pictures(suite) == pictures(suite.model_copy(update={"evaluation": fewer})) == (6, [])


def test_the_suite_of_the_docs_runs(own_suite, tmp_path, monkeypatch):
    few = with_few_steps(block("yaml", OWN))
    own_suite.write_text(few)
    monkeypatch.chdir(tmp_path)
    assert status_of("run", "--methods", "lora", "--suite", "mine.yaml", "--backbone", "tiny", "--quiet") == 0
    assert len(list(tmp_path.glob("runs/mine/lora/*.json"))) == 1


def test_the_headline_command_and_the_command_of_the_tests_are_those_that_ci_runs():
    assert "pip install -e . && cpbench run --methods dsc,clora" in README
    assert "pip install -e '.[test]' && pytest" in README


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_pages_lead_to_files_and_headings_that_exist(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"https?:", target):
            continue
        name, _, heading = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), f"{page.name}: {target}"
        if heading:
            assert heading in anchors(file), f"{page.name}: {target}"


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_and_options_that_pages_name_exist(page):
    commands = get_command(app).commands
    for name, rest in re.findall(r"cpbench ([a-z][a-z-]*)((?: [^`\n]*)?)(?=`|\n)", spoken(page.read_text())):
        assert name in commands, f"{page.name}: cpbench {name}"
        known = {o for p in commands[name].params for o in p.opts} | {"--help"}
        for option in re.findall(r"(?<= )--[a-z-]+", rest):
            assert option in known, f"{page.name}: cpbench {name} {option}"


def spoken(text: str) -> str:
    """Only the commands of a page, a line per piece: its blocks without a language, and what is written as code."""
    pieces = [" ".join(piece.split()) + "\n" for piece in re.findall(r"`(cpbench [^`]+)`", text)]
    return "\n".join([*written_in("", text), *pieces])


def test_the_glossary_is_alphabetical_and_explains_every_term_of_the_project():
    text = page_text("docs/glossary.md")
    entries = re.findall(r"^\*\*(.+?)\.\*\*", text, re.MULTILINE)
    assert entries == sorted(entries, key=lambda e: re.sub(r"[^a-z]", "", e.lower()))
    explained = {word for e in entries for word in re.split(r"[ ,()]+", e)} | {e.replace(" ", "-") for e in entries}
    lower = {word.lower() for word in explained}
    assert [term for term in TERMS if term.lower() not in lower] == []


def test_the_citation_names_the_version_and_the_licence_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["cff-version"] == "1.2.0" and citation["title"] == "cpbench"
    assert citation["version"] == project["version"] == package.__version__
    assert citation["license"] == project["license"]


def test_the_package_is_marked_as_typed():
    assert (Path(package.__file__).parent / "py.typed").read_bytes() == b""


def test_the_docs_name_every_profile_metric_and_summary():
    text = (ROOT / "docs" / "measuring.md").read_text()
    assert [name for name in (*PROFILES, *METRICS, *SUMMARIES) if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    ("protocol", "cells"),
    [
        ("final", {(0, 1), (0, 2), (1, 1), (2, 1), (2, 2)}),
        ("full", {(0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2)}),
    ],
)
def test_the_protocols_measure_what_the_docs_say(suite, protocol, cells):
    planner = Planner(suite, load_profile("toybox"), "tiny", "w", "cpu", "float32", {}, protocol, code=CODE)
    planned = planner.run(choose("lora", {})[0], (0, 1), 0).cells
    assert {(x.i, x.j) for x in planned if x.measure and len(x.draw.subjects) == 1} == cells


def test_the_page_of_the_python_api_names_every_verb_argument_and_column(tmp_path):
    text = page_text("docs/python.md")
    verbs = (
        "sweep",
        "score",
        "check",
        "tune",
        "report",
        "conformance",
        "speed",
        "sample",
        "export",
        "folder_suite",
        "score_adapters",
        "load_results",
        "load_suite",
        "methods",
    )
    assert [verb for verb in verbs if f"`cpbench.{verb}`" not in text or not callable(getattr(package, verb))] == []
    assert [name for name in signature(package.sweep).parameters if f"`{name}`" not in text] == []
    write_result(tmp_path, record())
    results = package.load_results(tmp_path)
    tables = (results.scores, results.cost, results.summaries, results.leaderboard())
    columns = {re.sub("_(low|high)$", "", column) for table in tables for column in table.columns}
    assert sorted(column for column in columns if f"`{column}`" not in text) == []
