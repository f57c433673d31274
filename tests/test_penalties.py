"""LwF online, L2 and DOP: penalties that need nothing stored, each by its equation and in its limits."""

from dataclasses import replace

import pytest
import torch

from cpbench.benchmark.protocol import unwatched
from cpbench.benchmark.run import checkpoint
from cpbench.benchmark.run.checkpoint import Checkpoints
from cpbench.benchmark.run.phases import Phases
from cpbench.methods.adapters.base import Additive
from cpbench.methods.build import ADAPTERS
from cpbench.methods.consolidations.base import noise_distance
from cpbench.methods.consolidations.l2 import l2_penalty
from learners import CAR, CAT, DOG, drawn, learner, noise_told, present, randomised

ROWS = {"lwf-online": "lwf", "l2": "l2", "dop": "dop"}
RATES = {"learner__rate": 0.02, "learner__token_rate": 0.002}


def same_bits(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def learned(name, pristine, *tasks, **settings):
    made = learner(name, pristine, *tasks, **RATES, **settings)
    return present(made.adapter) | {name: row.detach() for name, (row,) in made.backbone.tokens.items()}


def begun(name, pristine, strength=3.0):
    """A learner at the beginning of the third task: its weights after the second, and others now."""
    made = learner(name, pristine, CAT, CAR, **{f"{ROWS[name]}__strength": strength})
    before = randomised(made.adapter, 1)
    made.consolidations[0].begin(made, DOG)
    made.known["rex"] = DOG.subject
    randomised(made.adapter, 2)
    return made, before


def told(made, step, prompt, weights=None):
    """ε_θ of every picture of a step, one pass each, under given weights of the adapter."""
    now = present(made.adapter)
    with torch.no_grad():
        for key, p in made.adapter.params.items():
            p.copy_((weights or now)[key])
        found = torch.stack([noise_told(made, step, k, prompt) for k in range(len(step.noisy))])
        for key, p in made.adapter.params.items():
            p.copy_(now[key])
    return found


def test_l2_is_half_the_strength_times_the_squared_distance():
    present_, kept = {"a": torch.tensor([1.0, 4.0]), "b": torch.tensor([0.0])}, {"a": torch.tensor([2.0, 2.0])}
    assert l2_penalty(present_, kept | {"b": torch.tensor([3.0])}, 0.5).item() == 0.25 * (1 + 4 + 9)


def test_the_penalty_of_l2_is_the_distance_from_the_weights_at_the_end_of_the_last_task(pristine):
    made, before = begun("l2", pristine)
    by_hand = 1.5 * sum((p - before[name]).square().sum().item() for name, p in present(made.adapter).items())
    assert made.penalties(None)["l2"].item() == pytest.approx(by_hand, rel=1e-5)


def test_the_distance_of_noise_is_a_mean_over_entries():
    assert noise_distance(torch.ones(2, 4, 8, 8), torch.full((2, 4, 8, 8), 3.0)).item() == 4


def test_lwf_holds_one_earlier_concept_at_what_the_last_model_predicted_for_the_pictures_of_the_step(pristine):
    made, before = begun("lwf-online", pristine)
    step, found = drawn(made, DOG), []
    prompts = ["photo of a <mallow> cat", "photo of a <rumble> car"]
    each = [3 * (told(made, step, p, before) - told(made, step, p)).square().mean().item() for p in prompts]
    assert abs(each[0] - each[1]) > 1e-4 * each[0]
    for _ in range(40):
        value = made.penalties(step)["lwf"].item()
        found.append(min((0, 1), key=lambda k: abs(value - each[k])))
        assert value == pytest.approx(each[found[-1]], rel=1e-4)
    assert 8 < sum(found) < 32, "each about equally often"


@pytest.mark.parametrize("adapter", ["lora", "vera", "kv"])
def test_the_sum_of_no_states_is_the_pretrained_model_and_that_of_two_has_both_changes(adapter, pristine):
    make, options = ADAPTERS[adapter]
    mine = pristine.copy()
    part = make(mine, 0, *([options()] if options else []))
    assert isinstance(part, Additive)
    before, states, changes = part.delta(), [], []
    for seed in (1, 2):
        randomised(part, seed)
        states.append(part.state())
        changes.append({name: w.detach() for name, w in part.delta().items()})
    z, t = torch.randn(2, 4, 8, 8), torch.tensor([200, 700])
    now = part.state()
    with torch.no_grad():
        assert torch.equal(mine.predict(z, t, ["a cat"] * 2, part.total([])), pristine.predict(z, t, ["a cat"] * 2))
        both = mine.predict(z, t, ["a cat"] * 2, part.total(states))
        assert same_bits(part.state(), now), "the adapter is as it was"
        part.place({name: changes[0][name] + changes[1][name] for name in before})
        torch.testing.assert_close(both, mine.predict(z, t, ["a cat"] * 2), atol=1e-5, rtol=1e-5)


def test_dop_holds_the_noun_at_what_the_base_model_predicts_even_where_changes_were_folded(pristine):
    made, _ = begun("dop", pristine)
    for _ in range(2):
        step = drawn(made, DOG)
        with torch.no_grad():
            base = pristine.predict(step.noisy, step.t, ["photo of a dog"] * 2)
        by_hand = 3 * (base - told(made, step, "photo of a dog")).square().mean().item()
        assert made.penalties(step)["dop"].item() == pytest.approx(by_hand, rel=1e-4)
        made.adapter.fold()
        randomised(made.adapter, 5)


@pytest.mark.parametrize("name", ROWS)
def test_without_strength_it_learns_two_tasks_as_lora_and_with_strength_it_does_not(name, pristine):
    plain = learned("lora", pristine, CAT, CAR)
    assert same_bits(learned(name, pristine, CAT, CAR, **{f"{ROWS[name]}__strength": 0}), plain)
    assert not same_bits(learned(name, pristine, CAT, CAR, **{f"{ROWS[name]}__strength": 10}), plain)


@pytest.mark.parametrize("name", ["lwf-online", "l2"])
def test_the_first_task_is_learned_as_lora(name, pristine):
    given = {f"{ROWS[name]}__strength": 100}
    assert same_bits(learned(name, pristine, CAT, **given), learned("lora", pristine, CAT))


@pytest.mark.parametrize("name", ROWS)
def test_nothing_is_stored_and_a_loaded_method_learns_the_next_task_as_one_that_was_not_saved(name, pristine, tmp_path):
    given = {f"{ROWS[name]}__strength": 10} | RATES
    made = learner(name, pristine, CAT, CAR, **given)
    assert made.consolidations[0].state() == {}
    made.save(tmp_path)
    loaded = learner(name, pristine, **given)
    loaded.load(tmp_path)
    longer = replace(DOG, steps=4)
    assert made.learn(longer, unwatched) == loaded.learn(longer, unwatched)
    assert same_bits(present(made.adapter), present(loaded.adapter))


def test_a_task_that_is_resumed_draws_the_same_earlier_concepts_as_one_that_was_not(pristine, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)
    made = learner("lwf-online", pristine, CAT, CAR, lwf__strength=10, **RATES)
    made.save(tmp_path)
    longer, ticks = replace(DOG, steps=12), []

    def stopping(tick):
        ticks.append(tick)
        if len(ticks) == 7:
            raise InterruptedError

    def learn(scratch, watch):
        again = learner("lwf-online", pristine, lwf__strength=10, **RATES)
        again.load(tmp_path)
        return again.learn(replace(longer, scratch=scratch), watch), present(again.adapter)

    def scratch():
        return Checkpoints(tmp_path / "scratch", Phases(torch.device("cpu"), unwatched))

    with pytest.raises(InterruptedError):
        learn(scratch(), stopping)
    (whole, expected), (resumed, found) = learn(None, unwatched), learn(scratch(), ticks.append)
    assert len(ticks) == 7 + 6, "only what was left"
    assert resumed == whole and same_bits(found, expected)


@pytest.mark.parametrize("name", ["clora", "clora-noun"])
def test_clora_logs_its_penalty_beside_the_loss_of_denoising_and_the_mean_change(name, pristine):
    figures = learner(name, pristine, CAT).learn(CAR, unwatched)
    assert {"loss.learn.denoise", "loss.learn.clora", "change"} <= figures.keys()


def test_clora_noun_says_token_and_noun(pristine):
    assert learner("clora-noun", pristine, CAT).phrase(CAT.subject) == "<mallow> cat"
