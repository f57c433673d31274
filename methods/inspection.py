"""Figures about a learner after a task: cheap, not part of the measured time, and without any effect on the learner."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..benchmark.protocol import Task, Watch
from .adapters.base import Adapter
from .fisher import example_gradients, spectrum
from .scores import candidate_errors, candidates, contrast, logits
from .training import Step, Trainer

_PASSES = 2  # over the pictures of the task
_CANDIDATES = 8
_TEMPERATURE = 0.05


def inspect(trainer: Trainer[Adapter], task: Task, watch: Watch) -> dict[str, float]:
    """Figures from the task's own pictures, each at ``_PASSES`` random (t, ε), under the present weights.

    ``dc.accuracy``, ``dc.score``: how often the learned concept explains the noise best among cⁿ, c⁰ and earlier
    concepts, and its mean score. ``fisher.*`` and ``fisher_dc.*``: trace and top eigenvalues of the empirical Fisher
    information of the adapter for L_denoise and for L_denoise + L_DC, on the same examples (arXiv 2410.00700).
    """
    draw = torch.Generator().manual_seed(task.seed + 3)
    subjects = candidates(trainer, task.subject, _CANDIDATES, draw)
    found = []

    def losses(step: Step) -> Sequence[Tensor]:
        e = candidate_errors(trainer, task, step, subjects)
        found.append(e.detach().cpu())
        return e[:, 0].mean(), contrast(logits(e, _TEMPERATURE))

    gradients = example_gradients(trainer, task, _PASSES, losses, watch, "inspect")
    errors = torch.cat(found)
    scores = logits(errors, _TEMPERATURE).softmax(1)[:, 0]
    figures = {"dc.accuracy": (errors.argmin(1) == 0).double().mean().item(), "dc.score": scores.mean().item()}
    if gradients:
        denoise, dc = gradients
        figures |= spectrum(denoise, "fisher") | spectrum(denoise + dc, "fisher_dc")
    return figures
