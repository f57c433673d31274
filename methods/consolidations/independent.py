"""One adapter per concept, each trained from the base model; an oracle chooses which one draws: an upper bound."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ...benchmark.models.backbone import Params
from ...benchmark.protocol import Subject, Task, Watch
from ..adapters.base import Weighted
from ..training import Trainer
from .base import Consolidation, flatten, unflatten


class Independent(Consolidation[Weighted]):
    """Keeps every adapter and draws each subject with its own: nothing can be forgotten, and nothing is shared."""

    name = "independent"
    requires = (Weighted,)
    recalls = True
    grows = True

    def __init__(self) -> None:
        self.own: dict[str, dict[str, Tensor]] = {}

    def begin(self, trainer: Trainer[Weighted], task: Task) -> None:
        """Start from the base model."""
        trainer.adapter.reset(task.seed)

    def end(self, trainer: Trainer[Weighted], task: Task, watch: Watch) -> dict[str, float]:
        """Keep the adapter of this task."""
        self.own[task.subject.name] = trainer.adapter.state()
        return {}

    def override(self, subject: Subject) -> Params | None:
        """The adapter that learned this subject."""
        return self.own.get(subject.name)

    def state(self) -> dict[str, Tensor]:
        """All adapters, as ``<concept>/<parameter>``."""
        return flatten(self.own)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Load the adapters."""
        self.own = unflatten(state)
