"""Learners for tests that hold every part of a method against its equation: small, and in float64 where asked for."""

import copy

import torch

from conftest import task
from cpbench.benchmark.protocol import unwatched
from cpbench.methods.registry import choose
from cpbench.methods.training import draw_step, sources_of

CAT, CAR, DOG = task(1, "cat", "mallow"), task(2, "car", "rumble"), task(3, "dog", "rex")
F64 = torch.float64


def learner(name, pristine, *tasks, **settings):
    """A catalogue method on its own copy of the tiny backbone, after ``tasks``; ``ewc__passes=1`` is a setting."""
    chosen = choose(name, {key.replace("__", "."): str(value) for key, value in settings.items()})[0]
    made = chosen.make(pristine.copy(), 7)
    for one in tasks:
        made.learn(one, unwatched)
    return made


def doubled(made):
    """The same learner in float64: its weights, what its consolidations keep, and latents."""
    made.backbone.network.double(), made.backbone.readers[0].encoder.double()
    if hasattr(made.adapter, "past"):
        made.adapter.origin, made.adapter.precision = {name: w.double() for name, w in made.adapter.origin.items()}, F64
    for part in made.consolidations:
        part.restore({name: value.double() for name, value in part.state().items()})
    made.backbone.vae = copy.deepcopy(made.backbone.vae).double()  # other learners share it
    return made


def randomised(adapter, seed, scale=0.2):
    """Every trainable weight of an adapter drawn anew; they are returned as they are now."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in adapter.params.values():
            p.copy_(scale * torch.randn(p.shape, generator=draw))
    return present(adapter)


def present(adapter):
    """A copy of the trainable weights."""
    return {name: p.detach().clone() for name, p in adapter.params.items()}


def drawn(made, what, n=2, seed=0):
    """A training step of ``n`` pictures of a task."""
    return draw_step(made.backbone, sources_of(made, what), n, torch.Generator().manual_seed(seed))


def noise_told(made, step, k, prompt):
    """ε_θ of picture ``k`` of a step under one prompt, (c, h, w): one pass of the network."""
    return made.backbone.predict(step.noisy[k : k + 1], step.t[k : k + 1], [prompt])[0]


def scores_one_by_one(made, step, k, prompts, temperature):
    """Algorithm 1 of arXiv 2410.00700 for picture ``k``: errors e_i, and the logits -e_i / (mean(e) τ) of P."""
    e = torch.stack([(step.target[k] - noise_told(made, step, k, prompt)).square().mean() for prompt in prompts])
    return e, -e / (e.mean().detach() * temperature)


def spied(made, monkeypatch, step):
    """What every phase of a learner would minimise at ``step``; no update is made."""
    found = []
    monkeypatch.setattr(made, "optimise", lambda task, phase, watch: found.append(phase.objective(step)) or {})
    return found


def short_of(made, most, monkeypatch):
    """Let the network have room for as many pictures; what it has computed is counted."""
    sizes, predict = [], made.backbone.predict

    def limited(z, *more):
        sizes.append(len(z))
        if len(z) > most:
            raise torch.OutOfMemoryError("no room")
        return predict(z, *more)

    monkeypatch.setattr(made.backbone, "predict", limited)
    return sizes
