"""What protects the past by sums, rows and merges, as the learner computes it after three tasks, by its equation."""

import pytest
import torch

from cpbench.benchmark.protocol import unwatched
from learners import CAR, CAT, DOG, F64, doubled, drawn, learner, noise_told, randomised, spied

TASKS = (CAT, CAR, DOG)
RANK, ALPHA = 4, 6.0
PROMPTS = ["photo of a <mallow> cat", "photo of a <rumble> car", "photo of a <rex> dog"]


def factors(made):
    """A (r, in) and B (out, r) by layer, float64."""
    return {
        name: tuple(m["default"].weight.detach().double() for m in (layer.lora_A, layer.lora_B))
        for name, layer in made.adapter.layers.items()
    }


def after_three_tasks(name, pristine, **settings):
    """A learner whose factors were drawn at random in three tasks and are so in a fourth, and the factors of all."""
    made, found = learner(name, pristine, lora__rank=RANK, lora__alpha=ALPHA, **settings), []
    for number, task in enumerate(TASKS, 1):
        randomised(made.adapter, number)
        found.append(factors(made))
        made.consolidations[0].end(made, task, unwatched)
    randomised(made.adapter, 4)
    return made, found, factors(made)


def test_the_penalty_of_clora_is_the_strength_times_the_scaled_products_of_all_tasks(pristine):
    made, past, now = after_three_tasks("clora", pristine, clora__strength=3)
    scale, by_hand = ALPHA / RANK, 0.0
    for name, (a, b) in now.items():
        summed = sum(scale * old[name][1] @ old[name][0] for old in past)
        by_hand += 3 * ((summed.abs() * (scale * b @ a)) ** 2).sum().item()
    assert made.penalties(None)["clora"].item() == pytest.approx(by_hand, rel=1e-4)


def test_the_penalty_of_olora_is_the_strength_times_the_squared_products_of_all_rows(pristine):
    made, past, now = after_three_tasks("olora", pristine, olora__strength=3)
    by_hand = sum(3 * ((old[name][0] @ a.T) ** 2).sum().item() for old in past for name, (a, _) in now.items())
    assert made.penalties(None)["olora"].item() == pytest.approx(by_hand, rel=1e-4)


@pytest.mark.parametrize("name", ["clora", "olora"])
def test_what_was_folded_is_drawn_with_and_each_task_starts_from_zero_change(name, pristine):
    made, past, _ = after_three_tasks(name, pristine)
    made.consolidations[0].end(made, DOG, unwatched)
    made.adapter.restore(made.adapter.state())
    assert all(w.abs().max() == 0 for w in made.adapter.delta().values())
    for layer, module in made.adapter.layers.items():
        earlier = sum(ALPHA / RANK * old[layer][1] @ old[layer][0] for old in past)
        moved = module.get_base_layer().weight.double() - made.adapter.base()[layer].double()
        assert (moved - earlier).abs().max() > 1e-3, "the fourth is there too"
        torch.testing.assert_close(moved.float(), made.adapter.folded()[layer], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", ["clora", "olora", "ewc"])
def test_the_penalty_is_a_term_of_the_loss_of_every_later_step_and_of_none_before(name, pristine, monkeypatch):
    few = {"ewc__passes": 1} if name == "ewc" else {}
    made = learner(name, pristine, **few)
    step = drawn(made, CAT)
    assert made.penalties(step) == {}
    made.learn(CAT, unwatched)
    randomised(made.adapter, 1)
    terms = made.denoising(step)
    assert terms[name].item() == made.penalties(step)[name].item() > 0


def test_ziplora_holds_the_merged_change_against_what_each_concept_s_own_adapter_predicts(pristine, monkeypatch):
    made = learner("ziplora", pristine, CAT, CAR, learner__rate=0.05, ziplora__iterations=2, ziplora__overlap=0.5)
    made.learn(DOG, unwatched)
    (part,) = made.consolidations
    doubled(made), made.adapter.place({})
    own = []
    for state in part.pool.values():
        made.adapter.restore(state)
        own.append({name: w.detach().clone() for name, w in made.adapter.delta().items()})
    step = drawn(made, DOG)
    squares = []
    for prompt, change in zip(PROMPTS, own, strict=True):
        told = []
        for placed in (change, {name: sum(c[name] for c in own) for name in change}):
            made.adapter.place(placed)
            with torch.no_grad():
                told.append(torch.stack([noise_told(made, step, k, prompt) for k in range(2)]))
        squares.append((told[0] - told[1]).square().mean())
    made.adapter.place({})
    made.adapter.restore(part.pool["rex"])
    terms = spied(made, monkeypatch, step)
    part.end(made, DOG, unwatched)
    torch.testing.assert_close(terms[0]["distance"].detach(), torch.stack(squares).mean(), atol=1e-8, rtol=1e-5)
    layers = len(made.adapter.layers)
    assert terms[0]["overlap"].item() == pytest.approx(0.5 * layers * 3, rel=1e-6), "three pairs of equal coefficients"
    assert min(squares) > 1e-6


def test_the_model_merged_in_closed_form_keeps_what_every_concept_made_of_its_own_words(pristine):
    """W C_tgt = V_tgt with C_tgt at the token and the noun of "photo of a <token> noun", the fifth and sixth states."""
    made = learner("cd-merge", pristine, *TASKS, merge__captions=20, learner__rate=0.01)
    pool, base = made.consolidations[0].pool, made.adapter.base()
    for name, prompt in zip(("mallow", "rumble", "rex"), PROMPTS, strict=True):
        with torch.no_grad():
            states = made.backbone.embed([prompt]).states[0, 4:6].T.double()
        for key, w in made.adapter.params.items():
            right = pool[name][key].double() @ states
            assert ((w.double() @ states) - right).abs().max() < 1e-5
            untouched = base[key.removeprefix("unet.").removesuffix(".weight")].double() @ states
            assert (untouched - right).abs().max() > 1e-3, "it was learned"


def test_the_token_of_clora_starts_at_random_with_the_scale_of_the_table(pristine):
    made = learner("clora", pristine, learner__token_rate=0)
    for task in TASKS:
        made.learn(task, unwatched)
    rows = torch.stack([row for (row,) in made.backbone.tokens.values()]).detach()
    scale = made.backbone.readers[0].encoder.get_input_embeddings().weight.std()
    assert (rows.std() / scale).item() == pytest.approx(1, abs=0.25)
    cosines = torch.corrcoef(rows)[~torch.eye(3, dtype=torch.bool)]
    assert cosines.abs().max() < 0.8, "each its own"


def test_the_token_of_the_others_starts_as_the_noun(pristine):
    made = learner("lora", pristine, CAT, learner__token_rate=0)
    assert torch.equal(made.backbone.tokens["<mallow>"][0].to(F64), made.backbone.word_rows("cat")[0].to(F64))
