"""C-LoRA, continual low-rank adaptation (Smith et al., arXiv 2304.06027): penalises changing an entry twice."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ...benchmark.protocol import Task, Watch
from ..adapters.base import Foldable
from ..options.clora import CloraOptions
from ..training import Step, Trainer
from .base import Consolidation


def clora_penalty(past: Mapping[str, Tensor], delta: Mapping[str, Tensor]) -> Tensor:
    """Σ_layers ‖ |Σ_{t'<t} A_{t'}B_{t'}| ⊙ A_tB_t ‖_F² (eq. 4), from matrices (out, in) by layer."""
    terms = [(past[name].abs() * change).square().sum() for name, change in delta.items() if name in past]
    return torch.stack(terms).sum() if terms else torch.zeros(())


class Clora(Consolidation[Foldable]):
    """W_t = W_0 + Σ_{t'<t} A_{t'}B_{t'} + A_tB_t, where only the last product is trained."""

    name = "clora"
    requires = (Foldable,)

    def __init__(self, options: CloraOptions) -> None:
        self.options = options

    def penalty(self, trainer: Trainer[Foldable], step: Step) -> Tensor | None:
        """λ times :func:`clora_penalty`; None in the first task."""
        past = trainer.adapter.folded()
        return self.options.strength * clora_penalty(past, trainer.adapter.delta()) if past else None

    def end(self, trainer: Trainer[Foldable], task: Task, watch: Watch) -> dict[str, float]:
        """Fold A_tB_t into the sum and start the next task with new factors."""
        trainer.adapter.fold()
        trainer.adapter.reset(task.seed)
        return {}
