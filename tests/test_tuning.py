"""Tuning is fair: the same number of trials for all, inside stated bounds, on concepts that are reported nowhere."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import TINY, write_suite
from cpbench.benchmark.cli.main import main
from cpbench.benchmark.errors import FailedRun
from cpbench.benchmark.suite.spec import load_suite, suite_names
from cpbench.benchmark.verbs import tune as verb
from cpbench.benchmark.verbs.tune import best
from cpbench.methods import configure as catalog
from cpbench.methods.build import ADAPTERS
from cpbench.methods.catalogue import CATALOGUE, PLAIN
from cpbench.methods.configure import applied, configure, options_of
from cpbench.methods.search_space import Range, space, trials

TUNABLE = [name for name in CATALOGUE if space(name)]
COMMITTED = sorted((Path(catalog.__file__).parent / "tuned").glob("*.json"))


@given(st.floats(0, 1), st.sampled_from([Range(1e-4, 1e2), Range(3, 8, whole=True)]))
def test_a_value_lies_between_its_bounds(share, r):
    assert r.low <= float(r.at(share)) * (1 + 1e-2) and float(r.at(share)) <= r.high * (1 + 1e-2)


def test_the_middle_of_a_range_is_its_geometric_mean():
    assert Range(1e-2, 1e2).at(0.5) == "1"
    assert Range(1, 16, whole=True).at(0.5) == "4"


@pytest.mark.parametrize("name", TUNABLE)
def test_every_trial_is_one_that_the_method_can_be_given(name):
    tried = trials(name, 6)
    assert len(tried) == 6 and applied(options_of(name), tried[0]) == options_of(name, tuned=False)
    assert len({json.dumps(t) for t in tried}) == 6
    for settings in tried:
        configure(name, settings)
        assert set(settings) == set(space(name)), "what is chosen replaces all that was chosen before"
    for key, value in (pair for settings in tried[1:] for pair in settings.items()):
        assert space(name)[key].low <= float(value) * 1.01 and float(value) <= space(name)[key].high * 1.01


def test_what_has_no_effect_is_not_searched():
    assert "ewc.temperature" not in space("ewc") and "ewc.temperature" in space("ewc-dc")
    assert "dsc.temperature" not in space("lwf") and "dsc.noise_weight" in space("lwf")
    assert space("base") == space("joint") == {}


def test_rows_inherit_the_rates_of_the_plain_row_of_their_adapter(monkeypatch):
    found = {"lora": {"learner.rate": "0.5"}, "vera": {"learner.rate": "0.7"}, "clora": {"clora.strength": "3"}}
    monkeypatch.setattr(catalog, "chosen_by_tuning", lambda name: found.get(name, {}))
    rates = {
        name: options_of(name)["learner"].rate for name, row in CATALOGUE.items() if row.adapter in ("lora", "vera")
    }
    assert {CATALOGUE[n].adapter: r for n, r in rates.items()} == {"lora": 0.5, "vera": 0.7}
    assert options_of("clora")["clora"].strength == 3
    assert options_of("vera-clora")["clora"].strength != 3, "strengths are not inherited"


def test_the_best_trial_is_the_first_of_equals():
    assert best([{"value": 0.2}, {"value": 0.5}, {"value": 0.5}]) == 1


VALUES = st.floats(0, 1) | st.just(math.nan)
TRIALS = st.lists(st.fixed_dictionaries({"value": VALUES}, optional={"error": st.just("failed")}), max_size=6)


@given(TRIALS)
def test_the_best_trial_is_one_that_did_not_fail_and_that_no_other_is_better_than(tried):
    seen = [t["value"] for t in tried if "error" not in t and not math.isnan(t["value"])]
    found = best(tried)
    assert (found is None) is (not seen)
    if found is not None:
        assert "error" not in tried[found] and tried[found]["value"] == max(seen)
        assert all(t["value"] != max(seen) or "error" in t for t in tried[:found]), "the first of equals"


UNMEASURED = {
    "no look-alikes": ({"distractors": 0}, "set evaluation.distractors to 1 or more"),
    "a profile without identity": ({"profile": "dreambooth"}, "set evaluation.profile to one that has it (toybox)"),
}


@pytest.mark.parametrize(("changes", "says"), UNMEASURED.values(), ids=UNMEASURED)
def test_a_suite_that_does_not_measure_the_objective_is_refused_before_anything_is_trained(
    changes, says, tmp_path, capsys
):
    suite, out = write_suite(tmp_path, evaluation=TINY["evaluation"] | changes), tmp_path / "out"
    with pytest.raises(SystemExit) as end:
        main(["tune", "--methods", "lora", "--suite", str(suite), "--length", "1", "--out", str(out)])
    told = " ".join(capsys.readouterr().err.split())
    assert (
        end.value.code == 2 and "tiny-2 with profile" in told and "does not measure identity" in told and says in told
    )
    assert not out.exists() and not (tmp_path / "home").exists()


def test_where_all_trials_fail_none_is_best_and_all_are_written(tmp_path, monkeypatch):
    def failing(session, units, placement, on_event):
        return SimpleNamespace(errors={key: "the loss is nan" for key in units})

    monkeypatch.setattr(verb, "do_units", failing)
    with pytest.raises(FailedRun, match="all trials of lora failed, so none is the best; the first: the loss is nan"):
        verb.tune("lora", write_suite(tmp_path), trials=2, length=1, out=tmp_path / "out")
    content = json.loads((tmp_path / "out" / "lora.json").read_text())
    assert content["chosen"] is None and [t["value"] for t in content["trials"]] == [0.0, 0.0]


def test_tuning_writes_every_trial_with_the_space_and_the_best(tmp_path, capsys):
    suite = write_suite(tmp_path)
    with pytest.raises(SystemExit) as end:
        arguments = ["--suite", str(suite), "--trials", "2", "--length", "1", "--out", str(tmp_path / "out"), "--quiet"]
        main(["tune", "--methods", "lora,joint", *arguments])
    assert not end.value.code
    content = json.loads((tmp_path / "out" / "lora.json").read_text())
    assert [set(t) for t in content["trials"]] == [{"settings", "value", "seconds"}] * 2
    assert all(t["seconds"] > 0 for t in content["trials"])
    assert content["chosen"] == content["trials"][best(content["trials"])]["settings"]
    assert set(content["space"]) == set(space("lora"))
    told = capsys.readouterr().out
    assert "joint: has no options of its own to tune" in told
    assert "lora: 2 trials in learner.rate 0.0005 to 0.01," in told
    assert not (tmp_path / "out" / "joint.json").exists()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [(("--trials", "1"), "--trials 1: give a whole number from 2 "), (("--length", "9"), "has 6 concepts")],
)
def test_bad_numbers_are_refused(more, sentence, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["tune", "--methods", "lora", "--out", str(tmp_path), *more])
    assert end.value.code == 2
    assert sentence in capsys.readouterr().err


def test_no_concept_of_the_tuning_suite_is_in_another_suite():
    tuned = {c.toybox for c in load_suite("toybox-tune").concepts}
    others = {c.toybox for name in suite_names() if name != "toybox-tune" for c in load_suite(name).concepts}
    assert not tuned & others


@pytest.mark.parametrize("file", COMMITTED, ids=lambda f: f.stem)
def test_committed_trials_are_of_the_shipped_suite_and_as_many_as_everyone_elses(file):
    content = json.loads(file.read_text())
    suite = load_suite("toybox-tune")
    assert content["suite"]["hash"] == suite.hash
    assert content["chosen"] == content["trials"][best(content["trials"])]["settings"]
    assert set(content["space"]) == set(space(content["method"]))
    assert len(content["trials"]) == len(json.loads(COMMITTED[0].read_text())["trials"])


def test_every_adapter_has_its_plain_row():
    assert {CATALOGUE[name].adapter for name in PLAIN.values()} == set(ADAPTERS)
    assert all(not CATALOGUE[name].consolidations for name in PLAIN.values())
