"""Training where memory is short: steps in parts, and activations that are computed again, change no gradient."""

import copy
from collections import deque

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR

from cpbench.benchmark.protocol import unwatched
from cpbench.methods.loop import Loop, Room
from learners import CAR, CAT, learner, short_of

METHODS = ["lora", "cd", "ti", "vera", "ewc", "clora", "dsc", "dsc-ewc-dc", "lwf-online", "dop", "ziplora", "replay"]
SHORT = {"dsc__iterations": 2, "ziplora__iterations": 2, "ewc__passes": 1}


def short(name):
    """The options that make a method quick, of those that it has."""
    from cpbench.methods.configure import options_of

    return {k: v for k, v in SHORT.items() if k.partition("__")[0] in options_of(name)}


def weights(made):
    return {**made.adapter.state(), **{k: row.detach() for k, (row,) in made.backbone.tokens.items()}}


def taught(name, pristine, size=None, checkpoint=False):
    """The weights of a method after two tasks, with at most ``size`` pictures at once."""
    mine = pristine.copy()
    if checkpoint:
        assert mine.checkpoint() and not mine.checkpoint()
    before = Room.__post_init__ if hasattr(Room, "__post_init__") else None
    if size:
        Room.__post_init__ = lambda self: setattr(self, "size", size)
    try:
        made = learner(name, mine, CAT, **short(name))
        made.learn(CAR, unwatched)
    finally:
        if size and before is None:
            del Room.__post_init__
    return weights(made)


@pytest.mark.parametrize("name", METHODS)
def test_steps_in_parts_and_activations_computed_again_learn_the_same(name, pristine):
    plain = taught(name, pristine)
    for how in ({"size": 1}, {"checkpoint": True}):
        found = taught(name, pristine, **how)
        for key, w in plain.items():
            torch.testing.assert_close(found[key], w, rtol=2e-3, atol=2e-5, msg=f"{how}: {key}")


def step_of(made, n=5):
    from cpbench.methods.training import draw_step, sources_of

    return draw_step(made.backbone, sources_of(made, CAT), n, torch.Generator().manual_seed(3))


def loop_of(made, size, streams=()):
    params = list(made.adapter.params.values())
    optimiser = torch.optim.AdamW([{"params": params, "lr": 0.0}])
    return Loop(
        optimiser, LambdaLR(optimiser, lambda k: 1.0), streams, deque(maxlen=1), Room(made.backbone, size)
    ), params


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_gradients_in_parts_are_those_of_the_whole_step_in_float64(size, pristine):
    made = learner("lora", pristine, CAT)
    step = step_of(made)
    step = type(step)(step.latents.double(), step.target.double(), step.t, step.noisy.double(), step.prompts)
    made.backbone.network.double(), made.backbone.readers[0].encoder.double()
    found = []
    for room in (5, size):
        loop, params = loop_of(made, room)
        loop.update(made.denoising, step, weigh=False)
        found.append(torch.cat([p.grad.flatten() for p in params]))
        assert loop.means()["denoise"] > 0
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-9)


def test_all_parts_of_a_step_draw_the_same(pristine):
    made, stream, drawn = learner("lora", pristine, CAT), torch.Generator().manual_seed(1), []

    def objective(step):
        drawn.append(torch.rand((), generator=stream).item())
        return made.denoising(step)

    loop, _ = loop_of(made, 2, (stream,))
    loop.update(objective, step_of(made), weigh=True)
    assert len(drawn) == 3 and len(set(drawn)) == 1
    after = torch.rand((), generator=stream).item()
    other = torch.Generator().manual_seed(1)
    assert [torch.rand((), generator=other).item() for _ in range(2)] == [drawn[0], after]


def test_where_memory_is_short_activations_go_first_and_then_halves_and_it_is_remembered(pristine, monkeypatch):
    made = learner("lora", pristine, CAT)
    step, expected = step_of(made), []
    loop, params = loop_of(made, 5)
    loop.update(made.denoising, step, weigh=False)
    expected = [p.grad.clone() for p in params]
    sizes = short_of(made, 2, monkeypatch)
    for _ in range(2):
        loop.update(made.denoising, step, weigh=False)
    assert sizes == [5, 5, 3, 2, 2, 1, 2, 2, 1], "whole, whole with checkpoints, three, then in twos from then on"
    assert made.backbone.network.is_gradient_checkpointing and loop.room.size == 2
    torch.testing.assert_close([p.grad for p in params], expected, rtol=1e-4, atol=1e-6)


def test_where_one_picture_has_no_room_the_error_comes_through_and_no_update_is_made_twice(pristine, monkeypatch):
    made = learner("lora", pristine, CAT)
    loop, _ = loop_of(made, 2)
    monkeypatch.setattr(loop.optimiser, "step", lambda: pytest.fail("an update without gradients"))
    short_of(made, 0, monkeypatch)
    with pytest.raises(torch.OutOfMemoryError):
        loop.update(made.denoising, step_of(made), weigh=False)


def test_a_loop_in_half_precision_keeps_the_scale_of_its_losses(pristine):
    made = learner("lora", pristine, CAT)
    made.backbone.dtype = torch.float16
    loop, _ = loop_of(made, 5, (torch.Generator(),))
    assert loop.scaler.is_enabled() and loop.scaler.get_scale() == 2**12
    kept = copy.deepcopy(loop.snapshot(1) | {"scale": torch.tensor(256.0)})
    other, _ = loop_of(made, 5, (torch.Generator(),))
    other.restore(kept)
    assert other.scaler.get_scale() == 256
    made.backbone.dtype = torch.float32
    assert not loop_of(made, 5, (torch.Generator(),))[0].scaler.is_enabled()
