"""Whose records: own runs are apart from those that cpbench ships, beside them in every table, and never among them."""

import csv
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

import cpbench
from conftest import outcome_of, status_of, write_suite
from cpbench.benchmark.checks.regression import place_of
from cpbench.benchmark.cli.console import print_leaderboard
from cpbench.benchmark.errors import BadInput
from cpbench.benchmark.records.folders import Folders
from cpbench.benchmark.records.reading import read_records
from cpbench.benchmark.records.result import write_result
from cpbench.benchmark.scoring import metrics
from cpbench.benchmark.storage import baseline
from cpbench.benchmark.storage.baseline import baseline as shipped_folder
from cpbench.benchmark.verbs.arguments import folders_of
from cpbench.reports.analysis.shipped import BEST
from cpbench.reports.write import load, write_report
from synthetic import FORGETS, KEEPS, record

ROOT = Path(__file__).parent.parent
STAMP = {"packages": {"cpbench": "0.9.1"}, "commit": "abc123", "device": "A Processor"}


@pytest.fixture
def whose(tmp_path, monkeypatch):
    """A folder with shipped records of two suites; returns it as the current one, in which own runs go to ``runs``."""
    monkeypatch.setattr(baseline, "_RESULTS", tmp_path / "shipped-with-it")
    monkeypatch.chdir(tmp_path)
    for seed in range(3):
        for method, r in (("clora", FORGETS), ("dsc", KEEPS), ("lora", FORGETS), ("independent", KEEPS)):
            made = record(method, r, seed=seed).model_copy(update={"environment": STAMP})
            write_result(tmp_path / "shipped-with-it", made)
    write_result(tmp_path / "shipped-with-it", record("ti", suite="other-3"))
    return tmp_path


def own(*made):
    for result in made:
        write_result(folders_of("runs").own[0], result)


def methods(results):
    return set(results.leaderboard().query("runs > 0 and bound not in ('floor', 'ceiling')")["method"])


def test_without_own_runs_all_shipped_ones_are_shown_and_none_is_marked(whose):
    results = cpbench.load_results()
    assert methods(results) == {"clora", "dsc", "lora", "independent", "ti"}
    assert not results.scores["shipped"].any() and results.leaderboard()["board"].nunique() == 2


def test_an_empty_folder_of_runs_is_none(whose):
    (whose / "runs").mkdir()
    assert methods(cpbench.load_results()) == {"clora", "dsc", "lora", "independent", "ti"}


def test_own_runs_are_beside_the_shipped_ones_of_the_same_conditions(whose):
    own(record("clora", KEEPS), record("mine", KEEPS))
    results = cpbench.load_results()
    table = results.leaderboard().set_index("method")
    assert set(table.query("runs > 0").index) >= {"clora", "mine", "clora (shipped)", "dsc (shipped)"}
    assert "ti (shipped)" not in table.index and table["suite"].unique().tolist() == ["tiny-3"]
    assert table.loc["clora", "runs"] == 1 and table.loc["clora", "average"] == pytest.approx(0.7)
    assert table.loc["clora (shipped)", "runs"] == 3, "a run that was made here too stays among the shipped ones"
    assert table.loc["clora (shipped)", "average"] == pytest.approx(0.6)
    assert table.loc["clora (shipped)", "shipped"] and not table.loc["clora", "shipped"]
    assert set(results.scores.query("shipped")["method"]) == {"clora", "dsc", "lora", "independent", "ti"}
    assert set(results.scores.query("not shipped")["method"]) == {"clora", "mine"}


def test_someone_with_a_suite_of_their_own_sees_no_shipped_board(whose):
    own(record("clora", suite="mine"), record("clora", suite="mine", device="cuda"))
    assert methods(cpbench.load_results()) == {"clora"}


def test_other_conditions_are_another_board(whose):
    own(record("mine", device="cuda"))
    assert methods(cpbench.load_results()) == {"mine"}


def test_options_that_differ_are_named_beside_the_mark(whose):
    own(record("clora", KEEPS, options={"learner": {"rate": 0.5}}))
    found = methods(cpbench.load_results())
    assert {"clora (learner.rate=0.5)", "clora (learner.rate=0.001, shipped)"} <= found


def test_intransigence_of_shipped_rows_is_that_which_was_published(whose):
    def seen(results, name):
        rows = results.summaries.query("metric == 'identity' and summary == 'intransigence'").set_index("method")
        return rows.loc[name, "value"]

    before = seen(cpbench.load_results(), "clora")
    own(record("independent", FORGETS), record("dsc", KEEPS))
    results = cpbench.load_results()
    assert seen(results, "clora (shipped)") == before and seen(results, "dsc") != seen(results, "dsc (shipped)")


def test_folders_that_are_named_are_the_only_ones_and_shipped_ones_alone_are_not_marked(whose):
    own(record("mine"))
    assert methods(cpbench.load_results("runs")) == {"mine"}
    for name in ("shipped", whose / "shipped-with-it"):
        assert methods(cpbench.load_results(name)) == {"clora", "dsc", "lora", "independent", "ti"}
    assert "clora (shipped)" in methods(cpbench.load_results("runs", "shipped"))


def test_of_a_run_in_several_folders_the_first_counts(whose):
    write_result(whose / "a", record("mine", KEEPS))
    write_result(whose / "b", record("mine", FORGETS))
    averages = [cpbench.load_results(*two).leaderboard()["average"][0] for two in (("a", "b"), ("b", "a"))]
    assert averages == pytest.approx([0.7, 0.6])
    found = [r for _, r in folders_of(["a", "b"]).records(pytest.fail)]
    assert found == [record("mine", KEEPS)]


def test_one_of_several_folders_without_records_is_named(whose):
    own(record("mine"))
    with pytest.raises(BadInput, match=r"rusn holds no records"):
        folders_of(["runs", "rusn"])


def parts(whose, *names):
    """The files of some parts of a report, by name."""
    found, out = load(folders_of(None)), whose / "report"
    paths = [path for name in names for path in write_report(found, out, {}, lambda key: [], name)]
    return {path.relative_to(out).as_posix(): path for path in paths}


def test_every_form_of_the_report_marks_shipped_rows_and_tells_what_made_them(whose):
    own(*(record("clora", KEEPS, seed=seed) for seed in range(3)))
    made = parts(whose, "tables", "site")
    markdown, latex = made["leaderboard.md"].read_text(), made["leaderboard.tex"].read_text()
    page = made["site/index.html"].read_text()
    for text in (markdown, latex, page):
        assert "clora (shipped)" in text
        assert re.search(r"records that came with cpbench, made with version 0\.9\.1, commit abc123, on A Proc", text)
    for name in ("leaderboard.csv", "summaries.csv"):
        rows = list(csv.DictReader(made[name].read_text().splitlines()))
        assert {"clora", "clora (shipped)", "dsc (shipped)"} <= {row["method"] for row in rows}


def test_a_run_that_was_shipped_and_made_here_has_two_pages_with_their_own_numbers(whose):
    own(record("clora", KEEPS))
    made, run = parts(whose, "site"), record("clora").run.id
    mine, theirs = (made[f"site/data/{name}.json"].read_text() for name in (run, f"{run}-shipped"))
    assert mine != theirs
    pages = [made[f"site/runs/{name}.html"].read_text() for name in (run, f"{run}-shipped")]
    assert pages[0] != pages[1]
    links = {name for page in made.values() if page.suffix == ".html" for name in linked(page)}
    assert {f"{run}.html", f"{run}-shipped.html"} <= links
    assert {f"runs/{name}" for name in links} == {name[5:] for name in made if name.startswith("site/runs/")}


def linked(page):
    return re.findall(r'href="\.\./runs/([^"]+)"', page.read_text())


def test_the_same_number_of_runs_is_said_in_few_words(whose):
    own(record("clora"), record("mine"))
    text = parts(whose, "tables")["leaderboard.md"].read_text()
    assert "1 run per method, 3 runs per shipped row" in text


def printed(paths, out, width, monkeypatch, capsys):
    monkeypatch.setattr(Console, "is_terminal", True)
    print_leaderboard(Console(width=width, color_system=None), paths, out)
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [80, 120])
def test_the_printed_leaderboard_has_own_rows_their_likes_and_the_best(whose, width, monkeypatch, capsys):
    for k in range(12):
        r = [*KEEPS[:3], [0.9 - k / 20] * 3]
        write_result(whose / "shipped-with-it", record(f"m{k:02}", r))
    own(record("lora", FORGETS), record("mine", KEEPS))
    out = printed(sorted(Path("runs").glob("*/*/*.json")), Path("runs"), width, monkeypatch, capsys)
    assert max(map(len, out.splitlines())) <= width
    rows = re.findall(r"^  (\S+(?: \(shipped\))?) ", out, re.MULTILINE)
    best = [f"m{k:02} (shipped)" for k in range(BEST - 1)]
    assert {"lora", "mine", "lora (shipped)", *best} <= set(rows)
    assert sum("shipped" in row for row in rows) == BEST + 1
    assert "more shipped rows: 'cpbench report' shows all" in out


def test_with_a_suite_of_ones_own_only_own_rows_are_printed(whose, monkeypatch, capsys):
    own(record("lora", suite="mine"))
    out = printed(sorted(Path("runs").glob("*/*/*.json")), Path("runs"), 80, monkeypatch, capsys)
    assert "shipped" not in out


def test_lists_tell_whose_a_run_is_and_a_run_is_found_in_either_place(whose, capsys):
    own(record("mine"), record("clora", KEEPS))
    status, out, _ = outcome_of(capsys, "list", "runs", "--json")
    assert status == 0 and out.count('"whose": "own"') == 2 and out.count('"whose": "shipped"') == 12
    for result in (record("mine"), record("dsc")):
        assert status_of("show", result.run.id) == 0
    assert outcome_of(capsys, "diff", record("mine").run.id, record("dsc").run.id)[0] == 0
    _, out, _ = outcome_of(capsys, "show", record("clora").run.id, "--json")
    assert cpbench.Result.model_validate_json(out) == record("clora", KEEPS), "of a run in both places, the own one"
    assert "whose" not in outcome_of(capsys, "list", "runs", "--json", "--results", "runs")[1]


def test_gc_keeps_the_units_of_records_in_any_folder_that_is_named(whose, capsys):
    kept = whose / "home" / "units"
    for key in ("a1", "b1", "c1"):
        (kept / key).mkdir(parents=True)
    for folder, key in (("a", "a1"), ("b", "b1")):
        write_result(whose / folder, record("mine").model_copy(update={"units": {"train/1": key}}))
    assert status_of("gc", "--unused", whose / "a", "--unused", whose / "b") == 0
    assert sorted(path.name for path in kept.iterdir() if path.name != ".locks") == ["a1", "b1"]
    assert status_of("gc", "--unused", whose / "a", "--unused", whose / "none") == 2


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git checkout with shipped records of the tiny suite, as the current folder."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path / "checkout"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(baseline, "_RESULTS", folder / "results")
    shutil.copy(ROOT / ".gitignore", folder)
    write_suite(folder)
    assert status_of("run", "--methods", "base,lora", "--suite", "tiny.yaml", "--out", "results", "--quiet") == 0
    git("init", "--quiet")
    git("add", "--all")
    git("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "records")
    return folder


def git(*arguments):
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def broken(*_, **__):
    raise RuntimeError("no such number")


@pytest.mark.slow
def test_in_a_checkout_no_command_changes_what_git_holds(checkout, monkeypatch, capsys):
    monkeypatch.setitem(metrics.METRICS, "broken", replace(metrics.METRICS["mmd"], name="broken", of=broken))
    suite = "--suite", "tiny.yaml"
    shipped = {p: r for p, r in read_records(shipped_folder(), on_fault=pytest.fail)}
    commands = {
        ("run", "--methods", "base,lora", *suite): 0,
        ("score", "--metrics", "diversity", *suite): 0,
        ("score", "--metrics", "broken", *suite): 1,
        ("score", "--metrics", "diversity", "--results", "results", *suite): 0,
        ("score", "--metrics", "broken", "--results", "results", *suite): 1,
        ("tune", "--methods", "lora", "--trials", "1", "--length", "1", "--suites", "tiny.yaml"): 0,
        ("check", "--against", "results", *suite): 0,  # without fingerprints, which take minutes
        ("check", "--results", "runs", *suite): 0,
        ("report", "--only", "tables"): 0,
        ("report", "--only", "tables", "--check"): 0,
        ("list", "runs"): 0,
    }
    for command, expected in commands.items():
        assert status_of(*command) == expected, capsys.readouterr()
        assert git("status", "--porcelain") == "", command
    assert {p.name for p in checkout.iterdir()} >= {"runs", "tuned", "report"}
    assert {p: r for p, r in read_records(shipped_folder(), on_fault=pytest.fail)} == shipped
    assert all(r.status == "ok" for _, r in Folders((checkout / "runs",)).records(pytest.fail))
    assert {place_of(r.run) for r in shipped.values()} == {
        place_of(r.run) for _, r in read_records(checkout / "runs", on_fault=pytest.fail)
    }
    assert "lora (shipped)" in (checkout / "report" / "leaderboard.md").read_text()
