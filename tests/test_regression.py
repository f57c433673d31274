"""The regression check: equal where it must be, within the spread of seeds elsewhere, and seldom a false alarm."""

import json
from collections import Counter, defaultdict
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from scipy.stats import t as student
from threadpoolctl import threadpool_info, threadpool_limits

from conftest import status_of
from cpbench.benchmark.checks.regression import FALSE_ALARM, POWER, SeedSpread, judge, place_of, spread_of, summaries
from cpbench.benchmark.checks.verdicts import sentence, to_junit, to_markdown
from cpbench.benchmark.fingerprints.stored import Compared, Difference
from cpbench.benchmark.records.reading import read_records
from cpbench.benchmark.run.environment import environment, set_threads
from cpbench.benchmark.verbs.check import of_profile, plan_of
from cpbench.methods.registry import choose
from synthetic import KEEPS, record

RESULTS = Path(__file__).parent.parent / "results"
HERE, THERE = {"python": "3.11", "packages": {"torch": "2.9", "cpbench": "1"}}, {"python": "3.12", "packages": {}}


def run(shift=0.0, *, method="lora", seed=0, environment=HERE, **changes):
    """A record whose scores are all changed by ``shift``."""
    made = record(method, KEEPS, seed=seed, **changes)
    scores = [s.model_copy(update={"value": s.value + shift}) for s in made.scores]
    return made.model_copy(update={"scores": scores, "environment": environment})


def test_with_the_same_numerics_a_change_of_the_last_bit_is_found_and_named():
    stored, new = run(), run()
    assert judge([stored], [new])[0].differences == ()
    first = new.scores[0]
    nudged = first.model_copy(update={"value": float(np.nextafter(first.value, 1))})
    (verdict,) = judge([stored], [new.model_copy(update={"scores": [nudged, *new.scores[1:]]})])
    (mismatch,) = verdict.differences
    assert verdict.exact and mismatch.run == "lora (seed 0)" and mismatch.allowed == 0
    assert mismatch.what == f"identity of {first.concept}, prompt 0, after task 0"


def test_another_commit_or_version_of_our_own_is_no_excuse():
    stored = run(environment=HERE | {"commit": "a", "cores": 2})
    new = run(1e-9, environment=HERE | {"commit": "b", "cores": 64, "packages": {"torch": "2.9", "cpbench": "2"}})
    assert judge([stored], [new])[0].differences


@pytest.mark.parametrize("what", ["device", "instructions", "blas", "threads", "python", "platform"])
def test_runs_of_machines_that_may_round_otherwise_or_did_not_say_are_not_held_to_the_last_bit(what):
    known = HERE | {what: "one"}
    assert judge([run(environment=known)], [run(environment=known)])[0].exact
    for other in (HERE | {what: "another"}, HERE):
        assert not judge([run(environment=other)], [run(1e-9, environment=known)])[0].exact


def test_a_stamp_tells_processor_and_matrix_kernels_and_threads_hold_for_torch_and_numpy_alike():
    with threadpool_limits(2, "blas"):
        set_threads(1)
        stamp, numpy = environment(torch.device("cpu")), [i for i in threadpool_info() if i["user_api"] == "blas"]
    assert stamp["threads"] == 1 and {lib["num_threads"] for lib in numpy} <= {1}
    assert stamp["device"] and stamp["blas"] == environment(torch.device("cpu"))["blas"]


def test_a_missing_row_is_reported_as_missing():
    stored, new = run(), run()
    (verdict,) = judge([stored], [new.model_copy(update={"scores": new.scores[1:]})])
    assert verdict.differences[0].now == "missing"


def test_summaries_are_means_over_concepts_right_after_their_task_and_at_the_end():
    found = summaries(run())
    assert found["identity, learned"] == pytest.approx((0.7 + 0.7 + 0.8) / 3)
    assert found["identity, at the end"] == pytest.approx((0.7 + 0.6 + 0.8) / 3)


def test_the_tolerance_is_students_of_the_pooled_spread_or_of_the_methods_own_where_that_is_greater():
    stored = [run(s, seed=k) for k, s in enumerate((0.0, 0.2))]
    stored += [run(s, seed=k, method="dsc") for k, s in enumerate((0.0, 0.1, 0.2))]
    squares = 2 * 0.1**2 + (0.1**2 + 0 + 0.1**2)
    t = student.ppf(1 - FALSE_ALARM / 2 / 7, 3)
    spread, lora, dsc = spread_of(stored), place_of(stored[0].run), place_of(stored[2].run)
    assert spread.allowed("identity, learned", dsc, 3, 7) == pytest.approx(
        np.sqrt(squares / 3) * t * np.sqrt(1 + 1 / 3)
    )
    assert spread.allowed("identity, learned", lora, 2, 7) == pytest.approx(np.sqrt(0.02) * t * np.sqrt(1 + 1 / 2))


def test_where_all_seeds_are_alike_one_picture_may_still_be_taken_for_another():
    stored = [run(seed=k) for k in range(3)]
    pictures = sum(s.n for s in stored[0].scores if s.metric == "identity" and s.source == "model" and s.i == s.j > 0)
    t = student.ppf(1 - FALSE_ALARM / 2 / 7, 2)
    allowed = spread_of(stored).allowed("identity, learned", place_of(stored[0].run), 3, 7)
    assert allowed == pytest.approx(t / pictures * np.sqrt(1 + 1 / 3))


@pytest.mark.parametrize(("methods", "seeds", "comparisons"), [(24, 3, 300), (8, 5, 1), (50, 2, 20)])
def test_a_change_as_large_as_the_resolution_is_found_in_four_of_five_checks(methods, seeds, comparisons):
    """Stored seeds of several methods, and one more seed of the first of them, moved by the resolution or not."""
    rng, found, alarms, n = np.random.default_rng(methods), 0, 0, 4000
    for _ in range(n):
        stored = rng.normal(5, 0.3, size=(methods, seeds))
        pooled = float(np.sqrt(stored.var(axis=1, ddof=1).mean()))
        spread = SeedSpread({"x": pooled}, {"x": methods * (seeds - 1)}, {}, {"x": 0.0})
        asked = "x", ("lora", ()), seeds, comparisons
        off = rng.normal(5, 0.3) - stored[0].mean()
        found += abs(off + spread.resolution(*asked)) > spread.allowed(*asked)
        alarms += abs(off) > spread.allowed(*asked)
    assert found / n == pytest.approx(POWER, abs=0.04) and alarms / n < FALSE_ALARM * 1.5


def test_the_sentence_tells_what_a_comparison_within_the_spread_would_miss_and_a_strict_one_misses_nothing():
    stored = [run(s, seed=k) for k, s in enumerate((-0.01, 0.0, 0.01, 0.005, -0.005))]
    (loose,) = judge(stored, [run(environment=THERE)])
    size = 100 * loose.resolution["identity, at the end"]
    assert 0 < size < 100 and loose.resolution["identity, at the end"] > 0.01
    told = sentence([loose])
    assert f"A change of {size:.3g} points in the average identity" in told and "80%" in told
    assert "no change was found" in told and "nothing changed" not in told
    assert f"below {size:.3g} points of identity" in to_markdown([loose])
    assert "identity, at the end: a change below" in to_junit([loose])
    (strict,) = judge(stored[:1], [stored[0]])
    assert strict.resolution == {} and "nothing changed" in sentence([strict])
    (blind,) = judge([run()], [run(9.0, environment=THERE)])
    assert "a change of any size would be missed" in sentence([blind]) and "any: " in to_markdown([blind])


def test_reports_for_ci_hold_fingerprints_too():
    lost = Difference("tiny/task 2/learn/update 2/loss.clora", "0.5", "0.25", 0.5)
    found = [Compared("clora", 10, (lost,), 1e-12), Compared("lora", 9, (), 2e-12)]
    tree = ElementTree.fromstring(to_junit([], found).partition("\n")[2])
    assert (tree.get("tests"), tree.get("failures")) == ("2", "1")
    assert "loss.clora: 0.5 -> 0.25 (5.0e-01)" in tree.find("testcase/failure").text
    text = to_markdown([], found)
    assert "| clora | tiny/task 2/learn/update 2/loss.clora | 0.5 | 0.25 | 5.0e-01 | 1 |" in text
    assert "1 of 2 fingerprints" in text and "2e-12" in to_markdown([], found[1:])


@pytest.mark.parametrize("left", range(3))
def test_no_seed_of_the_committed_records_raises_an_alarm_against_the_other_two(left):
    """Each method alone, and all at once: what a check on another machine would say of runs that did not change."""
    every = [r for _, r in read_records(RESULTS, on_fault=pytest.fail) if r.run.suite == "toybox-2"]
    seeds = Counter(r.run.method for r in every)
    pool = [r for r in every if seeds[r.run.method] == 3]
    kept, new = [r for r in pool if r.run.seed != left], [r for r in pool if r.run.seed == left]
    spread, alarms, others = spread_of(kept), [], defaultdict(list)
    for place, found in ((place_of(r.run), summaries(r)) for r in kept):
        for name, value in found.items():
            others[place, name].append(value)
    for place, found in ((place_of(r.run), summaries(r)) for r in new):
        for name, value in found.items():
            off = abs(value - np.mean(others[place, name]))
            alarms += [(place, name)] if off > spread.allowed(name, place, 2, len(found)) else []
    assert len(new) > 1 and not alarms


def test_elsewhere_what_seeds_alone_would_move_is_allowed_and_more_is_not():
    stored = [run(s, seed=k) for k, s in enumerate((-0.01, 0.0, 0.01, 0.005, -0.005))]
    (near,) = judge(stored, [run(0.02, environment=THERE)])
    (far,) = judge(stored, [run(0.5, environment=THERE)])
    assert not near.exact and near.differences == ()
    assert {m.what for m in far.differences} >= {"identity, learned", "identity, at the end"}
    assert all(m.allowed > 0 for m in far.differences)


def test_with_one_seed_nothing_is_known_of_the_spread_and_nothing_is_said_to_have_moved():
    (verdict,) = judge([run()], [run(9.0, environment=THERE)])
    assert verdict.differences == ()


def test_a_run_under_other_conditions_is_told_by_what_differs_and_a_failed_one_by_its_error():
    stored = run()
    (other,) = judge([stored], [run(options={"learner": {"rate": 0.5}})])
    assert [m.what for m in other.differences] == ["options"] and "0.5" in other.differences[0].now
    failed = record("lora", status="error").model_copy(update={"environment": HERE})
    (broken,) = judge([stored], [failed])
    assert ("status", "the loss became NaN") in {(m.what, m.now) for m in broken.differences}
    (elsewhere,) = judge([stored], [run(device="cuda", environment=THERE)])
    assert elsewhere.differences == ()


@pytest.mark.slow
def test_runs_that_did_not_change_fail_in_one_check_of_a_hundred_at_most():
    """Twelve methods of three seeds with a normal spread; a check is one more seed of each, on another machine."""
    rng, alarms, n = np.random.default_rng(0), 0, 600
    names = [f"m{k}" for k in range(12)]

    def spread(method, seed, environment=HERE):
        made = record(method, KEEPS, seed=seed)
        parts = {metric: rng.normal() for metric in ("identity", "mmd", "kid")}
        scores = [s.model_copy(update={"value": s.value + parts[s.metric]}) for s in made.scores]
        return made.model_copy(update={"scores": scores, "environment": environment})

    for _ in range(n):
        stored = [spread(m, k) for m in names[:3] for k in range(3)]
        alarms += any(v.differences for v in judge(stored, [spread(m, 0, THERE) for m in names[:3]]))
    print(f"{alarms} false alarms in {n} checks")
    assert alarms <= 13, "a rate of 1 % gives 13 or fewer of 600 with probability 0.99"


def test_the_outcome_is_told_in_markdown_and_junit_with_what_moved():
    verdicts = judge([run(), run(method="dsc")], [run(), run(0.1, method="dsc")])
    assert sentence(verdicts).startswith("1 of 2 runs changed")
    text = to_markdown(verdicts)
    assert "| dsc (seed 0) |" in text and "Not shown: " in text
    tree = ElementTree.fromstring(to_junit(verdicts))
    assert (tree.get("tests"), tree.get("failures")) == ("2", "1")
    assert len(tree.findall("testcase/failure")) == 1


@pytest.mark.slow
def test_a_check_does_the_stored_runs_again_finds_a_changed_number_and_takes_it_when_told(suite_file, tmp_path, capsys):
    stored, same = tmp_path / "results", ("--suite", suite_file, "--against", tmp_path / "results", "--quiet")
    assert status_of("run", "--methods", "lora,base", "--suite", suite_file, "--out", stored, "--quiet") == 0
    assert status_of("check", *same) == 0
    assert "2 runs compared, and nothing changed" in capsys.readouterr().out
    path = next((stored / "tiny-2" / "lora").glob("*.json"))
    changed = json.loads(path.read_text())
    changed["scores"][-1]["value"] += 0.125
    path.write_text(json.dumps(changed))
    junit, markdown = tmp_path / "ci" / "check.xml", tmp_path / "ci" / "check.md"
    assert status_of("check", *same, "--junit", junit, "--markdown", markdown) == 3
    told = capsys.readouterr()
    assert "1 of 2 runs changed" in told.err and "base (seed 0)" in told.out
    assert ElementTree.parse(junit).getroot().get("failures") == "1" and "equal" in markdown.read_text()
    assert status_of("check", *same, "--methods", "lora", "--update", "the metric was mended") == 0
    (new,) = [r for _, r in read_records(stored, on_fault=pytest.fail) if r.run.method == "lora"]
    assert new.environment["reason"] == "the metric was mended"
    (old,) = (stored / "tiny-2" / "lora" / "superseded").glob("*.json")
    assert json.loads(old.read_text())["scores"] == changed["scores"]
    capsys.readouterr()
    assert status_of("check", *same) == 0
    assert "within the spread" not in capsys.readouterr().out, "a reason is no other machine"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--methods", "dcs"), "did you mean dsc"),
        (("--methods", "dsc"), "holds no record of dsc"),
        (("--seeds", "0"), "--seeds 0: give a whole number from 1 to"),
        (("--results", "elsewhere"), "holds no run that is stored"),
        (("--suite", "toybox-6"), "holds no records of toybox-6"),
    ],
)
def test_a_check_that_cannot_be_meant_is_refused(suite_file, tmp_path, capsys, monkeypatch, more, sentence):
    from cpbench.benchmark.records.result import write_result

    monkeypatch.chdir(tmp_path)
    write_result(tmp_path / "results", run(suite="tiny-2"))
    assert status_of("check", "--suite", suite_file, "--against", "results", *more) == 2
    assert sentence in capsys.readouterr().err


def test_another_version_of_a_plug_ins_package_is_compared_number_by_number():
    old, new = (run(options={"factory": "theirs:make", "package": f"theirs {v}"}) for v in ("1.0", "1.1"))
    (verdict,) = judge([old], [new])
    assert verdict.exact and not verdict.differences and verdict.compared > 20


def test_of_several_settings_each_is_done_again_with_its_own_and_one_alone_with_the_defaults(suite):
    class Session:
        def __init__(self):
            self.suite = suite

        def planner(self, protocol):
            self.protocol = protocol
            return self

        def run(self, method, order, seed):
            return self.protocol, method.options["learner"]["rate"], order, seed

    (default,) = choose("lora", {})
    other = {**default.options, "learner": default.options["learner"] | {"rate": 0.5}}
    runs = [run(options=o, order=["rumble", "mallow"], protocol="full") for o in (default.options, other)]
    plan = partial(plan_of, Session())
    assert plan(runs[1].run, runs) == ("full", 0.5, (1, 0), 0)
    assert plan(runs[1].run, runs[1:]) == ("full", default.options["learner"]["rate"], (1, 0), 0)


def test_rows_that_were_added_by_score_are_not_missed():
    plain = record("lora")
    more = [*plain.scores, plain.scores[-1].model_copy(update={"metric": "lpips_diversity"})]
    assert of_profile(plain.model_copy(update={"scores": more})).scores == plain.scores


@pytest.mark.parametrize("flag", ["--junit", "--markdown"])
def test_a_report_that_cannot_be_written_is_refused_before_the_work(tmp_path, capsys, flag):
    assert status_of("check", "--against", RESULTS, flag, tmp_path, "--methods", "base") == 2
    assert "is a folder" in capsys.readouterr().err
