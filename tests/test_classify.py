"""The diffusion classifier: what it asks, what it costs, and that it finds what it must."""

import numpy as np
import pytest

from conftest import task
from cpbench.benchmark.protocol import Explaining, Prompt, Question, Subject
from cpbench.benchmark.scoring import classifier as c
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
    np.testing.assert_array_equal(c.classify(Oracle(), pictures(3, 0, 4, 1), PROMPTS), [3, 0, 4, 1])


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
    assert c.classify(explain, pictures(0), prompts) == [20]
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
    np.testing.assert_array_equal(c.classify(Oracle(), pictures(3, 0), PROMPTS[:1]), [0, 0])


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
        error = (pristine.eps(noisy, t, ["photo of a cat"]) - noise).square().mean().item()
    assert found == pytest.approx(error, rel=1e-5)
