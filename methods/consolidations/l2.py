"""L2: a penalty on the distance from the last weights, to which Kirkpatrick et al. (2017) compare EWC."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ...benchmark.protocol import Task
from ..adapters.base import Weighted
from ..options.l2 import L2Options
from ..training import Step, Trainer
from .base import Consolidation


def l2_penalty(present: Mapping[str, Tensor], kept: Mapping[str, Tensor], strength: float) -> Tensor:
    """(λ/2) ‖θ − θ*‖² over parameters by name."""
    return 0.5 * strength * torch.stack([(present[name] - w).square().sum() for name, w in kept.items()]).sum()


class L2(Consolidation[Weighted]):
    """Holds all weights of the adapter equally near θ*, the weights after the last task; nothing else is stored."""

    name = "l2"
    requires = (Weighted,)
    recalls = True

    def __init__(self, options: L2Options) -> None:
        self.options = options
        self.kept: dict[str, Tensor] = {}

    def begin(self, trainer: Trainer[Weighted], task: Task) -> None:
        """θ* is the present θ, from the second task on."""
        if trainer.known:
            self.kept = {name: p.detach().clone() for name, p in trainer.adapter.params.items()}

    def penalty(self, trainer: Trainer[Weighted], step: Step) -> Tensor | None:
        """:func:`l2_penalty`; None in the first task."""
        return l2_penalty(trainer.adapter.params, self.kept, self.options.strength) if self.kept else None
