"""What every learner tells about its state after a task: it costs little, is not timed, and changes nothing."""

from __future__ import annotations

import torch

from ..benchmark.protocol import Task, Tick, Watch
from .fisher import spectrum
from .scores import candidate_errors, candidates, contrast, logits
from .training import Trainer

_PASSES = 2  # over the pictures of the task
_CANDIDATES = 8
_TEMPERATURE = 0.05


def inspect(trainer: Trainer, task: Task, watch: Watch) -> dict[str, float]:
    """Figures from the task's own pictures, each at ``_PASSES`` random (t, ε), under the deployed weights.

    ``dc.accuracy``, ``dc.score``: how often the learned concept explains the noise best among cⁿ, c⁰ and earlier
    concepts, and its mean score. ``fisher.*`` and ``fisher_dc.*``: trace and top eigenvalues of the empirical Fisher
    information of the adapter for L_denoise and for L_denoise + L_DC, on the same examples (arXiv 2410.00700).
    """
    params = list(trainer.adapter.params.values())
    draw = torch.Generator().manual_seed(task.seed + 3)
    subjects = candidates(trainer, task.subject, _CANDIDATES, draw)
    found, plain, scored = [], [], []
    n = _PASSES * len(task.pictures)
    for k, step in enumerate(trainer.examples(task, _PASSES)):
        e = candidate_errors(trainer, task, step, subjects)
        found.append(e.detach().cpu())
        if params:
            denoise = torch.autograd.grad(e[:, 0].mean(), params, retain_graph=True)
            dc = torch.autograd.grad(contrast(logits(e, _TEMPERATURE)), params)
            plain.append(torch.cat([g.flatten() for g in denoise]).cpu())
            scored.append(plain[-1] + torch.cat([g.flatten() for g in dc]).cpu())
        watch(Tick("inspect", k + 1, n))
    errors = torch.cat(found)
    scores = logits(errors, _TEMPERATURE).softmax(1)[:, 0]
    figures = {"dc.accuracy": (errors.argmin(1) == 0).double().mean().item(), "dc.score": scores.mean().item()}
    if params:
        figures |= spectrum(torch.stack(plain), "fisher") | spectrum(torch.stack(scored), "fisher_dc")
    return figures
