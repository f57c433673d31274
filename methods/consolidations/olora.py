"""O-LoRA, orthogonal low-rank adaptation (Wang et al., 2023, arXiv 2310.14152)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from ...benchmark.protocol import Task, Watch
from ..adapters.base import Directed, Foldable
from ..options.olora import OloraOptions
from ..training import Step, Trainer
from .base import Consolidation


def orthogonality(past: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
    """Σ_layers Σ_jk (A_past A_tᵀ)²_jk (their L_orth), from rows (r', in) and (r, in) by layer."""
    return torch.stack([(past[name] @ rows.T).square().sum() for name, rows in present.items()]).sum()


class _Adapter(Foldable, Directed, Protocol): ...


class Olora(Consolidation[_Adapter]):
    """Folds the change of each task, keeps the directions that it reads, and penalises reading them again."""

    name = "olora"
    requires = (Foldable, Directed)

    def __init__(self, options: OloraOptions) -> None:
        self.options = options
        self.past: dict[str, Tensor] = {}

    def penalty(self, trainer: Trainer[_Adapter], step: Step) -> Tensor | None:
        """λ times :func:`orthogonality`; None in the first task."""
        return self.options.strength * orthogonality(self.past, trainer.adapter.reads()) if self.past else None

    def end(self, trainer: Trainer[_Adapter], task: Task, watch: Watch) -> dict[str, float]:
        """Keep the rows of this task, fold its change, and start the next with new factors."""
        for name, rows in trainer.adapter.reads().items():
            earlier = [self.past[name]] if name in self.past else []
            self.past[name] = torch.cat([*earlier, rows.detach().clone()])
        trainer.adapter.fold()
        trainer.adapter.reset(task.seed)
        return {}

    def state(self) -> dict[str, Tensor]:
        """The rows of all tasks by layer."""
        return dict(self.past)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Load the rows."""
        self.past = dict(state)
