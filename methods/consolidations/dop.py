"""DOP, differential output preservation (ostris/ai-toolkit): keeps what the base model predicts for the class noun."""

from __future__ import annotations

from torch import Tensor

from ...benchmark.models.backbone import Params
from ...benchmark.protocol import Task
from ..adapters.base import Additive
from ..options.dop import DopOptions
from ..training import Step, Trainer
from .base import Consolidation, distance_from


class Dop(Consolidation[Additive]):
    """Keeps what the base model predicts for the noun of the task, from the first task on; nothing is stored."""

    name = "dop"
    requires = (Additive,)

    def __init__(self, options: DopOptions) -> None:
        self.options = options
        self.base: Params = {}
        self.prompt = ""

    def begin(self, trainer: Trainer[Additive], task: Task) -> None:
        """The teacher is the base model: the sum of no changes."""
        self.base = trainer.adapter.total([])
        self.prompt = task.prompt.format(task.subject.noun)

    def penalty(self, trainer: Trainer[Additive], step: Step) -> Tensor | None:
        """λ ‖ε_base(x_t, "photo of a ⟨noun⟩") − ε_θ(x_t, "photo of a ⟨noun⟩")‖², mean over entries."""
        return self.options.strength * distance_from(trainer, step, self.prompt, self.base)
