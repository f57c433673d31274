"""One adapter a concept, each from the base model, chosen at test time by an oracle: an upper bound."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ...benchmark.models.backbone import Params
from ...benchmark.protocol import Subject, Task, Watch
from ..training import Trainer
from .base import Consolidation, flatten, unflatten


class Independent(Consolidation):
    """Keeps every adapter and hands each subject its own; nothing can be forgotten, nothing is shared."""

    name = "independent"
    recalls = True

    def __init__(self) -> None:
        self.own: dict[str, dict[str, Tensor]] = {}

    def begin(self, trainer: Trainer, task: Task) -> None:
        """Start from the base model."""
        trainer.adapter.reset(task.seed)

    def end(self, trainer: Trainer, task: Task, watch: Watch) -> dict[str, float]:
        """Put the adapter of this task aside."""
        self.own[task.subject.name] = trainer.adapter.state()
        return {}

    def override(self, subject: Subject) -> Params | None:
        """The adapter that learned this subject."""
        return self.own.get(subject.name)

    def state(self) -> dict[str, Tensor]:
        """All adapters, as ``<concept>/<parameter>``."""
        return flatten(self.own)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Read the adapters back."""
        self.own = unflatten(state)
