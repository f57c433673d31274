"""Tuning is fair: trials in proportion to options, inside stated bounds, on concepts that are reported nowhere."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import TINY, status_of, write_suite
from cpbench.benchmark.cli.main import main
from cpbench.benchmark.errors import FailedRun
from cpbench.benchmark.ranged import declared
from cpbench.benchmark.run.scheduler import Outcome
from cpbench.benchmark.suite.spec import load_suite
from cpbench.benchmark.verbs import tune as verb
from cpbench.benchmark.verbs.selection import best_of, better_half, error_of_difference, gentlest_of, standard_error
from cpbench.methods import configure as catalog
from cpbench.methods.build import ADAPTERS
from cpbench.methods.catalogue import CATALOGUE, PLAIN
from cpbench.methods.configure import ancestors, applied, configure, inherited, options_of
from cpbench.methods.options.dsc import DscOptions
from cpbench.methods.registry import with_settings
from cpbench.methods.search_space import ADDED, RANGES, OneOf, Range, anchor, levels, space, standing, trials

TUNABLE = [name for name in CATALOGUE if space(name)]
FILES = Path(catalog.__file__).parent / "tuned"
SHIPPED = {f.stem: json.loads(f.read_text()) for f in sorted(FILES.glob("*.json"))}
COMMITTED = {name: content for name, content in SHIPPED.items() if content.get("format") == 2}


@given(st.floats(0, 1), st.sampled_from([Range(1e-4, 1e2), Range(3, 8, whole=True)]))
def test_a_value_lies_between_its_bounds(share, r):
    assert r.low <= float(r.at(share)) * (1 + 1e-2) and float(r.at(share)) <= r.high * (1 + 1e-2)


def test_the_middle_of_a_range_is_its_geometric_mean():
    assert Range(1e-2, 1e2).at(0.5) == "1"
    assert Range(1, 16, whole=True).at(0.5) == "4"


@given(st.floats(0, 1))
def test_a_choice_has_equal_shares_of_its_dimension(share):
    assert OneOf(("false", "true")).at(share) == ("true" if share >= 0.5 else "false")


@pytest.mark.parametrize("name", TUNABLE)
def test_every_trial_is_one_that_the_method_can_be_given(name):
    tried, free = trials(name, 4), space(name)
    others = 1 + any(key.endswith("score_weight") for key in free)
    assert len(tried) == 4 * len(free) + others, "trials in proportion to what a method tunes"
    assert applied(options_of(name, tuned=False), tried[0]) == options_of(name, tuned=False), "the values that stand"
    assert len({json.dumps(t) for t in tried}) == len(tried)
    for settings in tried:
        configure(name, settings)
        assert set(settings) == set(free), "what is chosen replaces all that was chosen before"
    for key, value in (pair for settings in tried[others:] for pair in settings.items()):
        r = free[key]
        assert value in r.words if isinstance(r, OneOf) else r.low <= float(value) * 1.01 <= r.high * 1.0202


def test_a_row_tunes_no_weight_that_is_only_a_scale_and_nothing_without_effect():
    every = {key for name in CATALOGUE for key in space(name)}
    assert not every & {"dsc.noise_weight", "dsc.units", "ewc.units", "ewc.temperature", "ewc.candidates"}
    assert set(space("lwf")) == {"dsc.rate", "dsc.iterations"}
    assert space("base") == space("joint") == {}


def test_all_rows_have_the_same_range_of_an_option_but_for_the_scales_of_vera():
    assert {key for added in ADDED.values() for key in added} == set(RANGES)
    ranges = {(n, key): r for n in ADDED for key, r in space(n).items() if r != RANGES[key]}
    assert {key for _, key in ranges} == {"dsc.rate", "ewc.strength"} and all(
        CATALOGUE[n].adapter == "vera" for n, _ in ranges
    )


def test_methods_with_scores_have_an_anchor_that_is_what_they_inherit_from(monkeypatch):
    monkeypatch.setattr(catalog, "_shipped", lambda name: {"chosen": TUNED.get(name), "learned": LEARNED.get(name, {})})
    assert {name for name in TUNABLE if anchor(name)} == {"dsc", "ewc-dc"}
    plain = with_settings("dsc", anchor("dsc")).options
    assert plain["dsc"] == with_settings("lwf", TUNED["lwf"]).options["dsc"] and plain["dsc"]["score_weight"] == 0


# --- inheritance ----------------------------------------------------------------------------------------------------

TUNED = {
    "lora": {"learner.rate": "0.1", "learner.token_rate": "0.05"},
    "vera": {"learner.rate": "0.1", "learner.token_rate": "0.05"},
    "clora": {"clora.strength": "3", "learner.token_rate": "0.1"},
    "lwf": {"dsc.rate": "0.02", "dsc.iterations": "90"},
    "dsc": {"dsc.score_weight": "0.3", "dsc.temperature": "0.6"},
    "ewc": {"ewc.strength": "0.004", "ewc.decay": "0.8"},
    "ewc-dc": {"ewc.score_weight": "0.2"},
    "dsc-ewc": {"ewc.strength": "0.006"},
    "vera-ewc": {"ewc.strength": "0.007"},
    "vera-dsc": {"dsc.rate": "0.08", "dsc.score_weight": "0.9"},
}
LEARNED = {
    "lora": {"chosen": {"learner.rate": "0.5", "learner.token_rate": "0.25"}},
    "vera": {"chosen": {"learner.rate": "0.7", "learner.token_rate": "0.35"}},
}


@pytest.fixture
def tuned(tmp_path):
    """A folder of trials in which each method has chosen other values."""
    folder = tmp_path / "tuned"
    folder.mkdir()
    for name, chosen in TUNED.items():
        learned = {"learned": LEARNED[name]} if name in LEARNED else {}
        (folder / f"{name}.json").write_text(json.dumps({"chosen": chosen} | learned))
    return folder


def values(name, folder):
    options = options_of(name, folder=folder, tuned=False)
    return {key: getattr(options[s], o) for key in inherited(name, folder) for s, o in [key.split(".")]}


RATES = {"learner.rate": 0.5, "learner.token_rate": 0.25}
VERA = {"learner.rate": 0.7, "learner.token_rate": 0.35}
DSC = {"dsc.iterations": 90, "dsc.score_weight": 0.3, "dsc.temperature": 0.6}
INHERITED = {
    "lora": {},
    "lwf": RATES,
    "dsc": RATES | {"dsc.rate": 0.02, "dsc.iterations": 90},
    "ewc-dc": RATES | {"ewc.strength": 0.004, "ewc.decay": 0.8},
    "dsc-ewc": RATES | DSC | {"dsc.rate": 0.02, "ewc.strength": 0.004, "ewc.decay": 0.8},
    "dsc-ewc-dc": RATES | DSC | {"dsc.rate": 0.02, "ewc.strength": 0.006, "ewc.decay": 0.8, "ewc.score_weight": 0.2},
    "vera-dsc": VERA | DSC,
    "vera-dsc-ewc-dc": VERA
    | DSC
    | {"dsc.rate": 0.08, "dsc.score_weight": 0.9}
    | {"ewc.strength": 0.007, "ewc.decay": 0.8, "ewc.score_weight": 0.2},
}


@pytest.mark.parametrize(("name", "expected"), INHERITED.items(), ids=INHERITED)
def test_a_row_takes_over_what_the_rows_it_builds_on_have_tuned(name, expected, tuned, monkeypatch):
    monkeypatch.setattr(catalog, "_shipped", lambda name: {})
    assert values(name, tuned) == expected


def test_fixed_values_and_rates_of_the_adapter_are_not_inherited_from_another_row(tuned):
    assert options_of("dsc", folder=tuned, tuned=False)["dsc"].score_weight == DscOptions().score_weight, (
        "lwf fixes 0, and has not tuned it"
    )
    assert options_of("vera-dsc", folder=tuned, tuned=False)["dsc"].rate == 1e-2, "vera-dsc fixes its own"
    assert inherited("vera-clora", tuned).keys() == {"learner.rate"}, "C-LoRA without noun fixes the rate of its token"


def test_a_plain_row_keeps_the_rates_of_its_own_average_and_others_take_those_with_which_it_learns_best(tuned):
    own, heirs = options_of("lora", folder=tuned)["learner"], options_of("ewc", folder=tuned)["learner"]
    assert (own.rate, own.token_rate) == (0.1, 0.05) and (heirs.rate, heirs.token_rate) == (0.5, 0.25)
    assert inherited("ewc", tuned)["learner.rate"] == ("lora", "0.5")


def test_own_values_count_more_than_inherited_ones_and_a_folder_more_than_the_package(tuned, monkeypatch):
    shipped = {"dsc": {"chosen": {"dsc.temperature": "0.9"}}}
    monkeypatch.setattr(catalog, "_shipped", lambda name: shipped.get(name, {}))
    assert options_of("dsc", folder=tuned)["dsc"].temperature == 0.6 and options_of("dsc")["dsc"].temperature == 0.9
    assert options_of("dsc-ewc", folder=tuned)["ewc"].strength == 0.006
    assert standing("dsc-ewc", tuned) == {"ewc.strength": "0.004"}
    (tuned / "dsc.json").write_text(json.dumps({"chosen": None}))
    assert options_of("dsc", folder=tuned)["dsc"].temperature == DscOptions().temperature, "no best trial: the default"


def test_methods_are_tuned_after_those_that_they_inherit_from():
    found = list(levels(reversed(TUNABLE)))
    assert sorted(name for level in found for name in level) == sorted(TUNABLE)
    before = set()
    for level in found:
        assert all(source in before for name in level for source in ancestors(name) if source in TUNABLE)
        before |= set(level)
    assert list(levels(["dsc-ewc-dc", "dsc"])) == [["dsc"], ["dsc-ewc-dc"]], "also over rows that are not tuned now"


# --- what is compared -----------------------------------------------------------------------------------------------

ARRAYS = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).normal(0.5, 0.1, (6, 3, 2)))


@given(ARRAYS)
def test_the_standard_error_is_that_of_a_mean_over_suites_of_means_over_runs(x):
    of_suites = [np.std(x[0, :, s], ddof=1) / math.sqrt(3) for s in range(2)]
    assert standard_error(x[0]) == pytest.approx(math.hypot(*of_suites) / 2)
    assert standard_error(x[0, :1]) is None


@given(ARRAYS, st.floats(-1, 1))
def test_the_error_of_a_difference_is_of_pairs_so_that_what_trials_share_does_not_count(x, shift):
    runs = shift * np.arange(6).reshape(1, 3, 2)
    assert error_of_difference(x + runs) == pytest.approx(error_of_difference(x))
    two = x[:2]
    difference = two[0] - two[1]
    assert error_of_difference(two) == pytest.approx(standard_error(difference)), "of two trials: the paired one"
    assert error_of_difference(x[:1]) is error_of_difference(x[:, :1]) is None


VALUES = st.lists(st.floats(0, 1) | st.just(math.nan), min_size=1, max_size=12)


@given(VALUES)
def test_the_better_half_has_the_standing_values_and_no_pruned_trial_was_better(values):
    kept, there = better_half(values, (0,)), [k for k, v in enumerate(values) if not math.isnan(v)]
    assert set(kept) <= set(there) and (0 in kept) is (0 in there)
    assert len(kept) >= min(len(there), 2) and len(kept) <= max(2, (len(values) + 1) // 2) + 1
    assert all(values[k] >= values[lost] for k in kept if k for lost in set(there) - set(kept))


@given(VALUES, st.floats(0, 0.5) | st.none())
def test_the_standing_values_stay_unless_another_is_better_by_more_than_the_error(values, error):
    there, found = [k for k, v in enumerate(values) if not math.isnan(v)], best_of(values, error)
    assert (found is None) is (not there)
    if there:
        top = max(values[k] for k in there)
        assert values[found] == top or (found == 0 and top - values[0] <= error)
        assert not (found and 0 in there) or top - values[0] > (error or 0)


def test_of_equals_the_first_is_best_and_what_is_barred_never_is():
    assert best_of([math.nan, 0.5, 0.5], 0.1) == 1 and best_of([math.nan, 0.5, 0.4], 0.1, barred=(1,)) == 2
    assert best_of([0.2, 0.5, 0.2], None, barred=(1,)) == 0


def test_of_trials_that_learn_equally_well_that_which_keeps_most_is_chosen():
    learned, kept = [0.8, math.nan, 0.88, 0.9, 0.85], [0.6, 0.9, 0.3, 0.2, 0.5]
    assert gentlest_of(learned, kept, 0.03) == 2 and gentlest_of(learned, kept, None) == 3
    assert gentlest_of(learned, kept, 0.06) == 4 and gentlest_of(learned, kept, 0.2) == 0, "never one without value"
    assert gentlest_of([math.nan], [0.5], 0.1) is None


# --- the verb -------------------------------------------------------------------------------------------------------


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
        main(["tune", "--methods", "lora", "--suites", str(suite), "--length", "1", "--out", str(out)])
    told = " ".join(capsys.readouterr().err.split())
    assert (
        end.value.code == 2 and "tiny-2 with profile" in told and "does not measure identity" in told and says in told
    )
    assert not out.exists() and not (tmp_path / "home").exists()


def two_suites(tmp_path):
    """Two tiny suites with other concepts."""
    for k in (1, 2):
        (folder := tmp_path / f"s{k}").mkdir(exist_ok=True)
        concepts = [c | {"name": f"{c['name']}-{k}", "toybox": c["toybox"] + 10 * k} for c in TINY["concepts"]]
        write_suite(folder, name=f"tiny-{k}", concepts=concepts)
    return [tmp_path / f"s{k}" / "tiny.yaml" for k in (1, 2)]


def test_where_all_trials_fail_none_is_best_and_those_that_inherit_are_not_tuned(tmp_path, monkeypatch):
    def failing(session, units, placement, on_event):
        return Outcome(dict.fromkeys(units, "the loss is nan"))

    monkeypatch.setattr(verb, "do_units", failing)
    said = (
        "all trials of ewc failed, so none is the best; ewc-dc would inherit from it and was not tuned; the first: the"
    )
    with pytest.raises(FailedRun, match=said):
        verb.tune("ewc-dc,ewc", write_suite(tmp_path), trials=1, length=1, out=tmp_path / "out")
    content = json.loads((tmp_path / "out" / "ewc.json").read_text())
    assert content["chosen"] is None and [t["value"] for t in content["trials"]] == [None] * 4
    assert not (tmp_path / "out" / "ewc-dc.json").exists()


def test_every_trial_has_the_first_run_and_the_better_half_all_on_the_same_orders_and_seeds(tmp_path, monkeypatch):
    monkeypatch.setattr(verb, "do_units", lambda *_: Outcome())
    asked, value = [], iter(np.random.default_rng(0).permutation(1000) / 1000)

    def noted(session, plan):
        run = plan.run
        asked.append((run.method, run.suite, tuple(c[:2] for c in run.order), run.seed))
        return [SimpleNamespace(i=c.i, j=c.j, value=next(value)) for c in plan.cells]

    monkeypatch.setattr("cpbench.benchmark.verbs.trials.measured", noted)
    found = verb.tune("olora,ewc", two_suites(tmp_path), trials=3, length=2, out=tmp_path / "out")
    for name, count in (("olora", 4), ("ewc", 10)):
        content, own = found[name], [a for a in asked if a[0] == name]
        assert {a[1:] for a in own} == {
            (f"tiny-{k}", *run) for k in (1, 2) for run in ((("ma", "ru"), 0), (("ru", "ma"), 1))
        }
        kept, tried = content["rungs"][1]["trials"], content["trials"]
        assert len(tried) == count and 0 in kept and count // 2 <= len(kept) <= count // 2 + 1
        assert len(own) == 2 * count + 2 * len(kept) and content["rungs"][1]["saved"] == 2 * (count - len(kept))
        assert [t["pruned"] for t in tried] == [k not in kept for k in range(count)]
        for t in tried:
            runs = [v for by_suite in t["runs"].values() for v in by_suite if v is not None]
            assert t["n"] == len(runs) and t["value"] == pytest.approx(np.mean(runs))
            assert (t["standard_error"] is None) is t["pruned"]
        x = np.array([list(tried[k]["runs"].values()) for k in kept]).transpose(0, 2, 1)
        assert content["error_of_difference"] == pytest.approx(error_of_difference(x))
        assert content["chosen"] == tried[content["best"]]["settings"] and content["best"] in kept


def test_plain_rows_are_also_tried_for_what_they_have_just_learned(tmp_path, monkeypatch):
    monkeypatch.setattr(verb, "do_units", lambda *_: Outcome())
    value, cells = iter(np.random.default_rng(1).permutation(1000) / 1000), []

    def noted(session, plan):
        cells.append([(c.i, c.j) for c in plan.cells])
        return [SimpleNamespace(i=c.i, j=c.j, value=next(value)) for c in plan.cells]

    monkeypatch.setattr("cpbench.benchmark.verbs.trials.measured", noted)
    suites = two_suites(tmp_path)
    content = verb.tune("lora", suites, trials=3, length=2, out=tmp_path / "out")["lora"]
    tried, kept = content["trials"], set(content["rungs"][1]["trials"])
    assert all(one == [(1, 1), (2, 1), (2, 2)] for one in cells), "each concept after its task, and all at the end"
    half = (len(tried) + 1) // 2
    halves = [sorted(tried, key=lambda t, of=of: -sum(v[0] for v in of(t)["runs"].values()))[:half] for of in OF]
    assert kept == {0, *(tried.index(t) for better in halves for t in better)}, "the better half by either value"
    assert content["chosen"] == tried[content["best"]]["settings"]
    learned, found = {k: tried[k]["learned"]["value"] for k in kept}, content["learned"]
    near = [k for k in kept if learned[k] >= max(learned.values()) - found["error_of_difference"]]
    assert found["best"] == max(near, key=lambda k: tried[k]["value"])
    assert found["chosen"] == tried[found["best"]]["settings"]
    assert "learned" not in verb.tune("olora", suites, trials=1, length=2, out=tmp_path / "out")["olora"]


OF = (lambda trial: trial, lambda trial: trial["learned"])
"""Both values of a trial of a plain row."""


def test_tuning_continues_and_rows_inherit_from_what_the_same_call_has_chosen(tmp_path, capsys, monkeypatch):
    done, do = [], verb.do_units

    def stopped(session, units, placement, on_event):
        done.extend(units)
        if len(done) > stopped.after:
            raise KeyboardInterrupt
        return do(session, units, placement, on_event)

    stopped.after = 20
    monkeypatch.setattr(verb, "do_units", stopped)
    suite, out = str(write_suite(tmp_path)), tmp_path / "out"
    arguments = ["tune", "--methods", "joint,olora,lora", "--suites", suite, "--trials", "1", "--length", "1"]
    assert status_of(*arguments, "--out", out, "--quiet") != 0
    first, stopped.after = list(done), math.inf
    done.clear()
    assert status_of(*arguments, "--out", out, "--quiet") == 0
    assert len(first) == len(set(first)) and not set(first[:10]) & set(done), "finished units are found"
    told, content = capsys.readouterr().out, json.loads((out / "olora.json").read_text())
    chosen = json.loads((out / "lora.json").read_text())["learned"]["chosen"]
    assert content["inherited"] == {key: {"from": "lora", "value": value} for key, value in chosen.items()}
    assert all(t["seconds"] > 0 for t in content["trials"])
    assert set(content["space"]) == set(space("olora"))
    assert "joint: has no options of its own to tune" in told and not (out / "joint.json").exists()
    assert "lora: 3 trials (1 per option and the values that stand) in learner.rate 0.0005 to 0.01," in told
    assert "standard error" in told and "halving saved 1 of 6 runs; all trials are in" in told


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--trials", "0"), "--trials 0: give a whole number from 1 "),
        (("--length", "9"), "has 6 concepts"),
        (("--suites", ","), "name at least one suite"),
        (("--suites", "toybox-2,toybox-2"), "toybox-2 is given twice"),
        (("--suites", "toybox-2", "--length", "2", "--seeds", "3"), "toybox-2 has 2 concepts; give fewer"),
    ],
)
def test_bad_numbers_are_refused(more, sentence, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["tune", "--methods", "lora", "--suites", "toybox-tune", "--out", str(tmp_path), *more])
    assert end.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMITTED)
def test_committed_trials_are_of_the_shipped_suites_and_as_many_per_option_as_everyone_elses(name):
    content = COMMITTED[name]
    assert content["method"] == name and set(content["space"]) == set(space(name))
    assert content["space"] == {key: r.plain() for key, r in space(name).items()}
    assert [t["settings"] for t in content["trials"]] == trials(name, content["trials_per_option"], folder=FILES)
    assert content["chosen"] == content["trials"][content["best"]]["settings"]
    for suite in content["suites"]:
        assert suite["hash"] == load_suite(suite["name"]).hash
    conditions = [{"suites": c["suites"], "per option": c["trials_per_option"]} for c in COMMITTED.values()]
    assert all(one == conditions[0] for one in conditions), "everyone has the same runs, made by the same code"


@pytest.mark.parametrize("name", COMMITTED)
def test_no_best_value_lies_at_the_edge_of_its_range(name):
    """Within 2 % of the (logarithmic) range; where no value beyond it is allowed, there is no edge."""
    content = COMMITTED[name]
    for key, text in [*content["chosen"].items(), *content.get("learned", {"chosen": {}})["chosen"].items()]:
        r, (section, option) = space(name)[key], key.split(".")
        if isinstance(r, Range):
            allowed = declared(type(options_of(name)[section]))[option].allowed
            share = math.log(float(text) / r.low) / math.log(r.high / r.low)
            assert share > 0.02 or r.low == allowed.low, f"{key}={text} is at the lower edge of {r}"
            assert share < 0.98 or r.high == allowed.high, f"{key}={text} is at the upper edge of {r}"


def test_no_trials_are_missing_once_all_are_of_the_present_format():
    assert set(COMMITTED) == set(TUNABLE) or set(COMMITTED) != set(SHIPPED), "run 'cpbench tune' for what is missing"


def test_every_adapter_has_its_plain_row():
    assert {CATALOGUE[name].adapter for name in PLAIN.values()} == set(ADAPTERS)
    assert all(not CATALOGUE[name].consolidations for name in PLAIN.values())
