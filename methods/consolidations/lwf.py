"""Online LwF, learning without forgetting (Li & Hoiem, arXiv 1606.09282): distils the last state while training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...benchmark.models.backbone import Params
from ...benchmark.protocol import Task
from ..adapters.base import Weighted
from ..options.lwf import LwfOptions
from ..training import Step, Trainer
from .base import Consolidation, distance_from


class Lwf(Consolidation[Weighted]):
    """Keeps what the adapter of the last task predicts for one earlier concept per update, drawn at random.

    The teacher is the adapter as the last task left it, which is saved anyway: nothing else is stored.
    """

    name = "lwf"
    requires = (Weighted,)
    recalls = True

    def __init__(self, options: LwfOptions) -> None:
        self.options = options
        self.teacher: Params = {}
        self.prompts: list[str] = []
        self.draw = torch.Generator()

    def begin(self, trainer: Trainer[Weighted], task: Task) -> None:
        """The teacher is the present adapter; c^j are all concepts learned so far."""
        self.teacher = trainer.adapter.state()
        self.prompts = [task.prompt.format(trainer.phrase(subject)) for subject in trainer.known.values()]
        self.draw = torch.Generator().manual_seed(task.seed + 5)

    def streams(self) -> Sequence[torch.Generator]:
        """The generator that draws j."""
        return (self.draw,)

    def penalty(self, trainer: Trainer[Weighted], step: Step) -> Tensor | None:
        """λ ‖ε_old(x_t, c^j) − ε_θ(x_t, c^j)‖² on the noisy pictures of the step; None in the first task."""
        if not self.prompts:
            return None
        prompt = self.prompts[int(torch.randint(len(self.prompts), (), generator=self.draw))]
        return self.options.strength * distance_from(trainer, step, prompt, self.teacher)
