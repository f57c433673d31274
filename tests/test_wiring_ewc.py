"""The Fisher information as the learner computes it: an explicit loop, per-example gradients of torch.func, streams."""

import pytest
import torch
from torch.func import functional_call, grad, vmap

from cpbench.benchmark.protocol import unwatched
from learners import CAR, CAT, doubled, drawn, learner, present, scores_one_by_one

W_DC, DECAY, PASSES = 2.0, 0.25, 3
SETTINGS = {"ewc__passes": PASSES, "ewc__decay": DECAY, "ewc__temperature": 0.3, "learner__rate": 0.05}
NAMES = ["ewc", "ewc-dc", "vera-ewc-dc", "dsc-ewc-dc"]
FORMS = [("ewc", ""), *((name, "loss") for name in NAMES[1:]), ("ewc-dc", "raw")]
"""Methods with the units of their scores."""


def ewc_of(made):
    return made.consolidations[-1]


def weight_of(name, units="loss"):
    return {"ewc__score_weight": W_DC, "ewc__units": units} if name.endswith("dc") else {}


def in_two_tasks(name, pristine, units="loss"):
    """A learner in float64 after two tasks, and its state (F, θ) after the first."""
    weight = weight_of(name, units)
    few = {"dsc__iterations": 2} if name.startswith("dsc") else {}
    made = doubled(learner(name, pristine, **SETTINGS, **weight, **few))
    made.learn(CAT, unwatched)
    first = dict(ewc_of(made).fisher), present(made.adapter)
    made.learn(CAR, unwatched)
    return made, first


def prompts_of(made, task):
    """cⁿ, c⁰, and what was learned before."""
    own = {"mallow": "photo of a <mallow> cat", "rumble": "photo of a <rumble> car"}
    earlier = [own["mallow"]] if task is CAR else []
    return [own[task.subject.name], f"photo of a {task.subject.noun}", *earlier]


def loss_of(e, scaled, scored):
    """L_FIM = e_n + w_DC [H(y_n, P) - mean_{j≠n} H(y_j, P)], from errors and logits of one picture.

    ``scored`` names the units of the scores; in those of the loss, they are multiplied by τ ē.
    """
    log_p = scaled.log_softmax(0)
    factor = 0.3 * e.mean().detach() if scored == "loss" else 1.0
    return e[0] + W_DC * factor * (-log_p[0] + log_p[1:].mean()) if scored else e[0]


def one_at_a_time(made, task, scored):
    """(∂L/∂θ)² averaged over examples, one backward pass for each."""
    params, squares = list(made.adapter.params.values()), []
    for step in made.examples(task, PASSES):
        e, scaled = scores_one_by_one(made, step, 0, prompts_of(made, task), 0.3)
        squares.append([g.square() for g in torch.autograd.grad(loss_of(e, scaled, scored), params)])
    assert len(squares) == PASSES * len(task.pictures)
    return dict(zip(made.adapter.params, map(sum, zip(*squares, strict=True)), strict=True))


def all_at_once(made, task, scored):
    """The same by torch.func: vmap over examples of the gradient of the UNet as a function of the adapter."""
    unet, states = made.backbone.network, made.backbone.embed(prompts_of(made, task)).states.detach()
    own = {name.removeprefix("unet."): p.detach() for name, p in made.adapter.params.items()}

    def loss(params, noisy, noise, t):
        k = len(states)
        told = functional_call(unet, params, (noisy.expand(k, *noisy.shape), t.expand(k), states)).sample
        e = (told - noise).square().mean((1, 2, 3))
        return loss_of(e, -e / (e.mean().detach() * 0.3), scored)

    steps = list(made.examples(task, PASSES))
    noisy, noise, t = (torch.cat([getattr(s, what) for s in steps]) for what in ("noisy", "target", "t"))
    each = vmap(grad(loss), in_dims=(None, 0, 0, 0))(own, noisy, noise.double(), t)
    return {f"unet.{name}": g.square().sum(0) for name, g in each.items()}


def scaled_to_mean_one(found):
    mean = torch.cat([f.flatten() for f in found.values()]).mean()
    return {name: f / mean for name, f in found.items()}


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize(("name", "scored"), FORMS)
def test_the_fisher_after_each_task_is_that_of_a_loop_and_of_torch_func(name, scored, pristine):
    made, (first, then) = in_two_tasks(name, pristine, scored)
    last = present(made.adapter)
    for compute in (one_at_a_time, all_at_once):
        fresh = scaled_to_mean_one(compute(made, CAR, scored))
        for key, f in ewc_of(made).fisher.items():
            torch.testing.assert_close(f, DECAY * first[key] + fresh[key], atol=1e-8, rtol=1e-8)
    assert any(not torch.equal(last[key], then[key]) for key in last)


@pytest.mark.parametrize(("name", "scored"), [form for form in FORMS if form[0] in ("ewc", "ewc-dc")])
def test_the_fisher_of_the_first_task_is_that_of_a_loop_at_the_weights_it_left(name, scored, pristine):
    made = doubled(learner(name, pristine, **SETTINGS, **weight_of(name, scored)))
    made.learn(CAT, unwatched)
    expected = scaled_to_mean_one(one_at_a_time(made, CAT, scored))
    for key, f in ewc_of(made).fisher.items():
        torch.testing.assert_close(f, expected[key], atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_after_each_task_is_what_the_task_left_distilled_or_not(name, pristine):
    made, (_, then) = in_two_tasks(name, pristine)
    for key, p in made.adapter.params.items():
        assert torch.equal(ewc_of(made).kept[key], p)
    assert any(not torch.equal(p, then[key]) for key, p in made.adapter.params.items())


def test_the_penalty_is_half_the_strength_times_the_weighed_squares_of_what_has_moved(pristine):
    made = learner("ewc", pristine, CAT, CAR, ewc__passes=1, ewc__strength=3)
    fisher, kept = ewc_of(made).fisher, ewc_of(made).kept
    with torch.no_grad():
        for p in made.adapter.params.values():
            p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    by_hand = sum(
        1.5 * (fisher[k].double() * (p.double() - kept[k].double()) ** 2).sum() for k, p in made.adapter.params.items()
    )
    assert made.penalties(None)["ewc"].item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_no_two_examples_of_the_fisher_and_no_two_pictures_of_a_batch_share_t_or_noise(pristine):
    made = learner("lora", pristine)
    examples = list(made.examples(CAT, 8))
    batch = drawn(made, CAT, n=16, seed=5)
    for t, noise in (
        (torch.cat([s.t for s in examples]), torch.cat([s.target for s in examples])),
        (batch.t, batch.target),
    ):
        assert len(t) == 16 and len(set(t.tolist())) >= 14, "16 of 1000: one pair may coincide"
        assert torch.pdist(noise.flatten(1)).min() > 10, "two draws of 256 normals are about 22 apart"


def test_every_time_is_drawn_equally_often(pristine):
    made = learner("lora", pristine)
    t = drawn(made, CAT, n=4000, seed=6).t
    counts = torch.histc(t.double(), bins=10, min=0, max=1000)
    assert (counts - 400).abs().max() < 4 * (4000 * 0.1 * 0.9) ** 0.5
    assert t.min() < 10 and 990 <= t.max() < 1000
