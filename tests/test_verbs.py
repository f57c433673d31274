"""The Python API: everything that the commands do, as functions that return values and print nothing."""

import subprocess
import sys
import traceback
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import cpbench
from conftest import CODE, status_of, write_suite
from cpbench.benchmark.plan.planner import Planner
from cpbench.benchmark.run.events import Ended, Planned, Preparing, Recorded
from cpbench.benchmark.scoring.profiles import load_profile
from cpbench.methods.learner import Learner
from cpbench.methods.registry import choose

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep of two methods on the tiny suite: its results, its events, and the folder."""
    folder = tmp_path_factory.mktemp("swept")
    events = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CPBENCH_HOME", str(folder / "home"))
        found = cpbench.sweep(["base", "ti"], write_suite(folder), out=folder / "out", on_event=events.append)
    return found, events, folder


@pytest.fixture
def home(swept, monkeypatch):
    """The store of the sweep."""
    _, _, folder = swept
    monkeypatch.setenv("CPBENCH_HOME", str(folder / "home"))
    return folder


def test_a_sweep_returns_tidy_tables_and_leaves_records(swept):
    found, _, folder = swept
    assert len(found) == 2
    assert {"method", "metric", "value", "i", "j", "seed"} <= set(found.scores.columns)
    assert set(found.scores["method"]) == {"base", "ti"}
    assert set(found.leaderboard()["method"]) >= {"base", "ti"}
    read = cpbench.load_results(folder / "out")
    pd.testing.assert_frame_equal(read.scores, found.scores)


def test_events_tell_the_plan_every_unit_and_every_record(swept):
    _, events, folder = swept
    (plan,) = [e for e in events if isinstance(e, Planned)]
    assert plan.runs == 2 and plan.parts == (2, 1, 1) and plan.out == folder / "out"
    assert isinstance(events[0], Preparing)
    assert len([e for e in events if isinstance(e, Ended)]) == plan.found.left.total()
    assert len([e for e in events if isinstance(e, Recorded)]) == 2


def test_verbs_print_nothing_and_a_second_sweep_does_nothing(home, capfd):
    events = []
    again = cpbench.sweep("base,ti", home / "tiny.yaml", out=home / "out", on_event=events.append)
    assert len(again) == 2 and not [e for e in events if isinstance(e, Ended)]
    assert capfd.readouterr() == ("", "")


def test_a_command_and_its_verb_give_the_same_records(home, tmp_path):
    assert status_of("run", "--methods", "base,ti", "--suite", home / "tiny.yaml", "--out", tmp_path, "--quiet") == 0
    pd.testing.assert_frame_equal(cpbench.load_results(tmp_path).scores, cpbench.load_results(home / "out").scores)


def test_orders_lengths_and_settings_may_be_lists_and_mappings(home, tmp_path):
    plans = []
    arguments = {"suite": home / "tiny.yaml", "out": tmp_path, "dry_run": True, "on_event": plans.append}
    given = cpbench.sweep(
        ["ti"], orders=[["rumble", "mallow"], [1, 2]], lengths=[1, 2], settings={"learner.token_rate": 0.5}, **arguments
    )
    cpbench.sweep("ti", orders="2,1/1,2", lengths="1,2", settings={"learner.token_rate": "0.5"}, **arguments)
    first, second = (p for p in plans if isinstance(p, Planned))
    assert len(given) == 0 and first.found == second.found and first.runs == 4


def test_scores_tables_and_verdicts_come_from_verbs_too(home, tmp_path, capfd):
    scored = cpbench.score(metrics="diversity", suite=home / "tiny.yaml", results=home / "out", out=tmp_path / "scored")
    assert len(scored) == 2
    paths = cpbench.report(home / "out", tmp_path / "report", only="tables")
    assert tmp_path / "report" / "leaderboard.md" in paths
    verdicts = cpbench.check(suite=home / "tiny.yaml", against=home / "out", results=home / "out")
    assert len(verdicts) == 2 and all(v.exact and not v.differences for v in verdicts)
    assert capfd.readouterr() == ("", "")


def test_methods_lists_the_catalogue_as_a_table():
    table = cpbench.methods()
    assert {"method", "adapter", "consolidations", "paper", "package", "description"} <= set(table.columns)
    assert (table["package"] == "cpbench").sum() == len(table) - (table["package"] != "cpbench").sum()
    assert "lora" in set(table["method"])


BAD = {
    "method": (lambda suite, out: cpbench.sweep("lorra", suite, out=out), "lorra"),
    "suite": (lambda suite, out: cpbench.sweep("base", "toybox-7", out=out), "toybox-7"),
    "seeds": (lambda suite, out: cpbench.sweep("base", suite, seeds=0, out=out), "seeds"),
    "protocol": (lambda suite, out: cpbench.sweep("base", suite, protocol="some", out=out), "final or full"),
    "setting": (lambda suite, out: cpbench.sweep("ti", suite, settings={"rate": 1}, out=out), "section.option"),
    "stored": (lambda suite, out: cpbench.check(suite=suite, against=out), "holds no records"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_run_is_an_error_of_ours_before_any_work(what, suite_file, tmp_path):
    call, named = BAD[what]
    with pytest.raises(cpbench.CpbenchError, match=named):
        call(suite_file, tmp_path / "none")


def test_from_the_command_to_the_method_a_request_passes_ten_files_at_most(suite_file, tmp_path, monkeypatch, show):
    seen = []

    def learn(self, task, watch):
        seen.append(list(dict.fromkeys(frame.filename for frame in traceback.extract_stack())))
        raise RuntimeError("that is far enough")

    monkeypatch.setattr(Learner, "learn", learn)
    status_of("run", "--methods", "ti", "--suite", suite_file, "--out", tmp_path, "--quiet")
    rooms = ("benchmark", "methods", "reports", "__init__.py")
    own = [Path(f).relative_to(ROOT) for f in seen[-1] if Path(f).is_relative_to(ROOT)]
    walk = [str(f) for f in own if f.parts[0] in rooms] + ["methods/learner.py"]
    show("\n".join(walk))
    assert len(walk) <= 10


def test_prose_is_in_no_key_and_what_decides_numbers_is(suite):
    profile = load_profile("toybox")
    (method,) = choose("lora", {})

    def keys(own_profile, own_suite):
        planner = Planner(own_suite, own_profile, "tiny", "w", "cpu", "float32", {}, code=CODE)
        return {unit.key for unit in planner.run(method, (0, 1), 0).units()}

    before = keys(profile, suite)
    reworded = suite.model_copy(update={"title": "Other words.", "licence": "Other terms."})
    assert keys(replace(profile, sentence="Other words."), reworded) == before
    for change in ({"align_scale": 2.0}, {"positive": True}, {"autoencoded": False}, {"text_scale": 2.5}):
        assert keys(replace(profile, **change), suite) != before, change


def test_the_package_costs_nothing_to_import_and_runs_as_a_module():
    code = "import sys, cpbench; print([m for m in ('torch', 'pandas', 'numpy', 'rich') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
    done = subprocess.run([sys.executable, "-m", "cpbench", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"cpbench {cpbench.__version__}\n"
