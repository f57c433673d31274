"""The diffusion classifier: what it asks, what it costs, and that it finds what it must."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from conftest import task
from cpbench.benchmark.plan.units import Classify, Train
from cpbench.benchmark.protocol import Explaining, Prompt, Question, Subject, unwatched
from cpbench.benchmark.run.runner import Runner
from cpbench.benchmark.scoring import classifier as c
from cpbench.benchmark.storage.store import Store
from cpbench.methods.registry import choose

PROMPTS = [Prompt("photo of a {}", (Subject(name, name),)) for name in "abcde"]


class Oracle:
    """Errors are the distance of picture and prompt, with noise that picture and timestep share over prompts."""

    def __init__(self) -> None:
        self.asked: list[list[Question]] = []

    def __call__(self, pictures, questions):
        self.asked.append(list(questions))
        truth = [abs(int(pictures[q.picture, 0, 0, 0]) - "abcde".index(q.prompt.subjects[0].name)) for q in questions]
        shared = [np.random.default_rng(q.seed).normal(0, 10) for q in questions]
        return np.array(truth) + np.array(shared)


def pictures(*values):
    return np.array(values, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), dtype=np.uint8)


def test_noise_that_all_candidates_share_does_not_confuse_them():
    np.testing.assert_array_equal(c.classify(Oracle(), pictures(3, 0, 4, 1), PROMPTS).found, [3, 0, 4, 1])


def test_each_round_spans_the_timesteps_and_no_timestep_is_asked_twice():
    rounds = c.timesteps()
    assert sorted(t for times in rounds for t in times) == [125, 375, 625, 875]
    assert all(max(times) - min(times) >= 500 for times in rounds)


def test_the_cost_is_what_the_docstring_says_and_only_the_better_half_is_asked_again():
    oracle = Oracle()
    c.classify(oracle, pictures(3, 0), PROMPTS)
    n, k = 2, len(PROMPTS)
    assert [len(asked) for asked in oracle.asked] == [c.TRIALS * n * k, c.TRIALS * n * 3]
    assert {q.prompt.subjects[0].name for q in oracle.asked[1] if q.picture == 1} == {"a", "b", "c"}


def test_of_many_candidates_one_timestep_picks_those_that_the_rounds_compare():
    asked: list[list[Question]] = []

    def explain(_, questions):
        asked.append(list(questions))
        return np.array([abs(int(q.prompt.subjects[0].name) - 20) for q in questions], dtype=float)

    prompts = [Prompt("photo of a {}", (Subject(str(k), "cat"),)) for k in range(30)]
    assert c.classify(explain, pictures(0), prompts).found == [20]
    among = [sorted({int(q.prompt.subjects[0].name) for q in some}) for some in asked]
    assert [{q.t for q in some} for some in asked] == [{625}, {125}, {375, 875}]
    assert among[0] == list(range(30)) and among[1] == list(range(14, 26)) and among[2] == list(range(17, 23))


def test_a_picture_has_one_noise_at_a_timestep_for_all_candidates():
    oracle = Oracle()
    c.classify(oracle, pictures(3, 0), PROMPTS)
    seeds: dict[tuple[int, int], set[int]] = {}
    for q in (q for asked in oracle.asked for q in asked):
        seeds.setdefault((q.picture, q.t), set()).add(q.seed)
    assert {len(found) for found in seeds.values()} == {1}
    assert len({next(iter(found)) for found in seeds.values()}) == len(seeds)


def test_one_candidate_is_always_found():
    np.testing.assert_array_equal(c.classify(Oracle(), pictures(3, 0), PROMPTS[:1]).found, [0, 0])


def test_the_log_odds_are_those_of_the_true_concept_by_hand():
    errors = np.array([[0.10, 0.11, 0.12], [0.12, 0.10, 0.11]])
    scores = -errors / (0.11 * 0.05)
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    own = shares[[0, 1], [0, 2]]
    np.testing.assert_allclose(c.log_odds(errors, [0, 2]), np.log(own / (1 - own)), rtol=1e-10)


@pytest.mark.parametrize("k", [2, 5, 30])
@pytest.mark.parametrize("error", [0.0, 0.3, 1e200])
def test_at_chance_the_log_odds_are_minus_the_logarithm_of_the_number_of_others(k, error):
    np.testing.assert_allclose(c.log_odds(np.full((1, k), error), [1]), [-np.log(k - 1)], atol=1e-12)


def test_the_log_odds_of_a_sure_answer_are_finite():
    assert c.log_odds(np.array([[1e-9, 1.0, 1.0]]), [0])[0] == pytest.approx(1.5 / c.TEMPERATURE - np.log(2))


@given(arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(2, 20)), elements=st.floats(0.01, 10)), st.data())
def test_positive_log_odds_mean_that_the_true_concept_has_the_least_error(errors, data):
    truth = data.draw(st.lists(st.integers(0, errors.shape[1] - 1), min_size=len(errors), max_size=len(errors)))
    odds = c.log_odds(errors, truth)
    others = np.array([np.delete(row, k).min() for row, k in zip(errors, truth, strict=True)])
    least = errors[np.arange(len(errors)), truth]
    assert np.isfinite(odds).all()
    assert (least < others)[odds > 1e-9].all()
    if errors.shape[1] == 2:
        assert (odds > -1e-9)[least <= others].all(), "with one other, the sign is that of the difference"


@pytest.mark.parametrize("k", [1, 5, 12, 13, 30])
def test_the_margin_takes_the_errors_of_all_candidates_at_the_middle_timestep_alone(k):
    def explain(_, questions):
        return np.array([1000 * q.t + 10 * q.picture + int(q.prompt.subjects[0].name) for q in questions], dtype=float)

    prompts = [Prompt("photo of a {}", (Subject(str(n), "cat"),)) for n in range(k)]
    errors = c.classify(explain, pictures(0, 0, 0), prompts).errors
    np.testing.assert_array_equal(errors, 625_000 + 10 * np.arange(3)[:, None] + np.arange(k))


def test_rows_hold_accuracy_margin_with_its_error_and_confusions_of_concepts_that_have_pictures():
    errors = np.array([[0.10, 0.12, 0.11], [0.11, 0.10, 0.12], [0.12, 0.11, 0.10]])
    answers, odds = c.Answers(errors.argmin(axis=1), errors), c.log_odds(errors, [0, 0, 2])
    found = list(c.rows("abc", [0, 0, 2], answers, bare=False))
    seen = {(r["concept"], r["metric"], r.get("other")): r for r in found}
    assert {key: r["value"] for key, r in seen.items()} == {
        ("a", "dc_accuracy", None): 0.5,
        ("a", "dc_confusion", "b"): 0.5,
        ("a", "dc_margin", None): pytest.approx(odds[:2].mean()),
        ("c", "dc_accuracy", None): 1.0,
        ("c", "dc_margin", None): pytest.approx(odds[2]),
    }
    assert seen["a", "dc_margin", None]["se"] == pytest.approx(abs(odds[0] - odds[1]) / 2)
    assert seen["c", "dc_margin", None]["se"] is None and seen["a", "dc_margin", None]["n"] == 2
    assert [r["metric"] for r in c.rows("abc", [2], c.Answers(np.array([2]), errors[2:]), bare=True)] == [
        "dc_accuracy_bare",
        "dc_margin_bare",
    ]


def test_of_one_candidate_there_is_no_margin():
    found = c.rows("a", [0, 0], c.Answers(np.array([0, 0]), np.array([[0.1], [0.2]])), bare=False)
    assert [(r["metric"], r["value"]) for r in found] == [("dc_accuracy", 1.0)]


@pytest.mark.parametrize(("name", "passes"), [("lora", 2), ("clora", 1)])
def test_prompts_without_the_noun_are_asked_too_unless_the_method_never_says_it(
    name, passes, suite, pristine, tmp_path
):
    """One round of all candidates at two timesteps is asked once per form that differs."""
    asked = []
    runner = Runner(suite, Store(tmp_path / "units", print), pristine, None)
    chosen = choose(name, {})[0]
    concepts = suite.concepts[:2]
    runner.do(Train("first", chosen, concepts[0], 1, None, 0, ""), unwatched)
    runner.do(Train("second", chosen, concepts[1], 2, "first", 1, ""), unwatched)
    with pytest.MonkeyPatch.context() as patch:
        own = type(pristine).explain
        patch.setattr(type(pristine), "explain", lambda self, x, q, *more: asked.append(q) or own(self, x, q, *more))
        folder = runner.do(Classify("classified", chosen, concepts, 2, "second", ""), unwatched)
    rows = {(r["concept"], r["metric"]): r["value"] for r in json.loads((folder / "classified.json").read_text())}
    forms = [{q.prompt.bare for q in some} for some in asked if len(some) > len(concepts)]
    assert forms[::2] == [{False}, {True}][:passes]
    for concept, metric in [key for key in rows if key[1].endswith("_bare")]:
        same = rows[concept, metric] == rows[concept, metric.removesuffix("_bare")]
        assert same or passes == 2
    assert {m for _, m in rows} >= {"dc_accuracy", "dc_margin", "dc_accuracy_bare", "dc_margin_bare"}


def test_the_base_model_is_asked_by_nouns_only(suite, pristine, tmp_path):
    runner = Runner(suite, Store(tmp_path / "units", print), pristine, None)
    folder = runner.do(Classify("classified", None, suite.concepts, 0, None, ""), unwatched)
    found = {r["metric"] for r in json.loads((folder / "classified.json").read_text())}
    assert {"dc_accuracy", "dc_margin"} <= found <= {"dc_accuracy", "dc_margin", "dc_confusion"}


def test_the_confusion_counts_truth_in_rows():
    np.testing.assert_array_equal(
        c.confusion([0, 0, 1, 2], np.array([0, 1, 1, 1]), 3), [[1, 1, 0], [0, 1, 0], [0, 1, 0]]
    )


@pytest.mark.parametrize("name", ["lora", "independent"])
def test_a_learner_explains_each_prompt_under_the_weights_that_it_is_drawn_with(pristine, name):
    method = choose(name, {"learner.rate": "0.05"})[0].make(pristine.copy(), 0)
    first, second = task(1, "cat", "mallow"), task(2, "car", "rumble")
    for each in (first, second):
        method.learn(each, lambda tick: None)
    assert isinstance(method, Explaining) and isinstance(pristine, Explaining)
    asked = [Question(0, Prompt("photo of a {}", (s,)), 400, 7) for s in (first.subject, second.subject)]
    both = method.explain(first.pictures, asked)
    alone = [method.explain(first.pictures, [q])[0] for q in asked]
    np.testing.assert_allclose(both, alone, rtol=1e-5)
    own = method.backbone.explain(first.pictures, asked[:1], method.phrase)[0]
    seen_alike = bool(both[0] == pytest.approx(own, rel=1e-5))
    assert seen_alike is (name == "lora"), "independent looks through the first adapter"


def test_the_error_is_that_of_the_noise_by_hand(pristine):
    import torch

    pictures_ = task(1, "cat", "mallow").pictures
    subject = Subject("mallow", "cat")
    (found,) = pristine.explain(pictures_, [Question(1, Prompt("photo of a {}", (subject,)), 300, 5)])
    noise = pristine.initial_noise(5)[None]
    t = torch.tensor([300])
    with torch.no_grad():
        noisy = pristine.add_noise(pristine.encode(pictures_[1:2]), noise, t)
        error = (pristine.predict(noisy, t, ["photo of a cat"]) - noise).square().mean().item()
    assert found == pytest.approx(error, rel=1e-5)
