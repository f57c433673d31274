"""The command line as people expect it: version, completion, narrow terminals, plurals, and a plan before the work."""

import json
import re
from pathlib import Path

import pytest
from rich.console import Console

import cpbench
from conftest import outcome_of, status_of
from cpbench.benchmark.cli.main import app
from cpbench.benchmark.cli.options import complete_methods, complete_suites
from cpbench.benchmark.plan.costs import Costs
from cpbench.benchmark.plan.survey import Survey
from cpbench.benchmark.plan.units import Real
from cpbench.benchmark.run.events import Ended, Planned, Preparing, Started
from cpbench.benchmark.run.forecast import Forecast
from cpbench.benchmark.run.progress import plan_lines, watching
from cpbench.benchmark.suite.spec import suite_names
from cpbench.benchmark.wording import counted, duration
from cpbench.methods.catalogue import CATALOGUE

COMMANDS = sorted(str(c.name or c.callback.__name__) for c in app.registered_commands)


def test_the_version_is_that_of_the_package(capsys):
    assert outcome_of(capsys, "--version")[:2] == (0, f"cpbench {cpbench.__version__}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example_and_fits_80_columns(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, _ = outcome_of(capsys, command, "--help")
    assert status == 0 and f"Example: cpbench {command}" in out
    assert max(map(len, out.splitlines())) <= 80


def test_methods_and_suites_are_completed_the_last_of_a_list_too():
    assert set(complete_methods("")) == {"all", *CATALOGUE}
    assert list(complete_methods("lora,vera-dsc")) == ["lora,vera-dsc", "lora,vera-dsc-ewc-dc"]
    assert list(complete_suites("")) == suite_names()


def test_addresses_are_whole_in_a_narrow_list(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = outcome_of(capsys, "list", "methods")
    assert set(re.findall(r"https://\S+", out)) == {row.paper for row in CATALOGUE.values() if row.paper}


def test_every_option_is_described(capsys):
    _, out, _ = outcome_of(capsys, "list", "options", "--json")
    rows = json.loads(out)
    assert len(rows) > 20 and all(len(row["what it does"]) > 10 for row in rows)


def plan(runs=2, left=3, known=None, **changes):
    units = {("Real", ""): left}
    from collections import Counter

    found = Survey(Counter({("Real", ""): left + 1}), Counter(units), Counter())
    content = {"parts": (1, runs, 1), "jobs": 1, "batch": 4, "store": Path("units"), "out": Path("out")}
    return Planned(runs, found=found, known=known or Costs({}, {}, 0), **(content | changes))


def test_a_plan_says_what_will_happen_for_how_long_and_from_what_it_knows():
    first, second, third = plan_lines(plan())
    assert "2 runs (1 method × 2 orders × 1 seed) need 4 units of work, 1 of them shared" in first
    assert "0 found in the store, 3 to do" in first
    assert "3 s in 1 process (a rough guess)" in second and "units" in third and "out" in third
    (one, *_) = plan_lines(plan(runs=1))
    assert "1 run (1 method × 1 order × 1 seed) needs" in one
    measured = Costs({("Real", ""): 40.0}, {}, 0, calibrated=True)
    assert any("2 min in 1 process" in line and "measure" in line for line in plan_lines(plan(known=measured)))


def test_nothing_to_do_needs_no_estimate():
    assert len(list(plan_lines(plan(left=0)))) == 2


@pytest.mark.parametrize("width", [80, 120])
def test_the_live_view_keeps_counts_and_the_time_left_however_narrow(width):
    console = Console(width=width, height=20, force_terminal=True, record=True, color_system=None)
    unit = Real("k", (), "c")
    with watching(console) as view:
        view(Preparing("loading the model"))
        view(plan(known=Costs({("Real", ""): 400.0}, {}, 0)))
        view(Started(unit))
        view(Ended(unit, 400.0))
        with console.capture() as shown:
            console.print(view.plan_bar, view.bars)
    (line,) = [x for x in shown.get().splitlines() if x.startswith("units")]
    assert len(line) <= width and "1/3" in line and "about 13 min 20 s left" in line


def test_a_forecast_trusts_what_it_has_seen_more_and_more():
    left, unit = plan(left=8).found.left, Real("k", (), "c")
    forecast = Forecast(left, Costs({("Real", ""): 10.0}, {}, 0))
    assert forecast.seconds() == 80
    forecast.ended(unit, 1.0)
    assert forecast.seconds() == pytest.approx(7 * (2 * 10 + 1) / 3)
    for _ in range(5):
        forecast.ended(unit, 1.0)
    assert forecast.seconds() == pytest.approx(2 * (2 * 10 + 6) / 8)


def test_words_of_counts_and_times():
    assert [counted(n, "run") for n in (0, 1, 2, 1389)] == ["0 runs", "1 run", "2 runs", "1,389 runs"]
    assert counted(2, "process", "processes") == "2 processes"
    times = {0.4: "0 s", 8: "8 s", 320: "5 min 20 s", 3600: "1 h", 4320: "1 h 12 min", 273_600: "3 d 4 h"}
    assert {seconds: duration(seconds) for seconds in times} == times


def test_unknown_lists_are_refused_with_the_known_ones(capsys):
    status, _, err = outcome_of(capsys, "list", "method")
    assert status == 2 and "methods" in err


def test_a_report_of_a_missing_folder_is_refused(tmp_path):
    assert status_of("report", "--results", tmp_path / "none", "--out", tmp_path / "report") == 2
