"""Figures about a learner after a task: cheap, not part of the measured time, and without any effect on the learner."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..benchmark.protocol import Task, Watch
from .adapters.base import Adapter
from .balance import balance_of, summary
from .fisher import example_gradients, spectrum
from .gram import Rows
from .scores import candidate_errors, candidates, contrast, logits, unit
from .training import Trainer

PASSES, CANDIDATES = 2, 8
"""How often each picture is an example, and the most concepts that are compared."""
_TEMPERATURE = 0.05


def inspect(trainer: Trainer[Adapter], task: Task, watch: Watch) -> dict[str, float]:
    """Figures from the task's own pictures, each at ``PASSES`` random (t, ε), under the present weights.

    ``dc.accuracy``, ``dc.score``: how often the learned concept explains the noise best among cⁿ, c⁰ and earlier
    concepts, and its mean score. ``fisher.*`` and ``fisher_dc.*``: trace and top eigenvalues of the empirical Fisher
    information of the adapter for L_denoise and for L_denoise + L_DC, on the same examples (arXiv 2410.00700).
    ``gradient.fisher.*``: the balance of both, mean norms and mean cosine over the examples. L_DC is in units of the
    loss, in which it does not depend on the temperature. A cheap inspection has the scores alone.
    """
    draw = torch.Generator().manual_seed(task.seed + 3)
    subjects = candidates(trainer, task.subject, CANDIDATES, draw)
    examples = [(step, subjects) for step in trainer.examples(task, PASSES)]
    found, balances = list[Tensor](), list[dict[str, Tensor]]()
    if trainer.backbone.engine.inspect == "cheap":
        with torch.no_grad():
            errors = torch.cat([candidate_errors(trainer, task, step, [own]) for step, own in examples])
        return _classified(errors)
    with Rows() as denoise, Rows() as both:
        for example in example_gradients(trainer, task, examples, _losses, watch, "inspect"):
            found.append(example.errors)
            if example.gradients:
                denoise.append(example.gradients[0])
                both.append(example.gradients[0] + example.gradients[1])
                balances.append(balance_of(dict(zip(("denoise", "scores"), example.gradients, strict=True))))
        figures = _classified(torch.stack(found))
        if trainer.adapter.params:
            figures |= spectrum(denoise.gram(), "fisher") | spectrum(both.gram(), "fisher_dc")
            figures |= summary("fisher", balances)
    return figures


def _classified(errors: Tensor) -> dict[str, float]:
    """How often the first candidate explains the noise best, and its mean score, from errors (n, k)."""
    scores = logits(errors, _TEMPERATURE).softmax(1)[:, 0]
    return {"dc.accuracy": (errors.argmin(1) == 0).double().mean().item(), "dc.score": scores.mean().item()}


def _losses(e: Tensor) -> Sequence[Tensor]:
    """L_denoise and L_DC, (n,), from errors (n, k)."""
    return e[:, 0], unit(e, _TEMPERATURE, "loss") * contrast(logits(e, _TEMPERATURE))
