"""One adapter per concept, each trained from the base model; an oracle chooses which ones draw: an upper bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from ...benchmark.models.backbone import Params
from ...benchmark.protocol import Subject, Task, Watch
from ..adapters.base import Additive
from ..options.independent import IndependentOptions
from ..training import Trainer
from .base import Consolidation, flatten, unflatten


class Independent(Consolidation[Additive]):
    """Keeps every adapter and draws each subject with its own: nothing can be forgotten, and nothing is shared."""

    name = "independent"
    requires = (Additive,)
    recalls = True
    grows = True

    def __init__(self, options: IndependentOptions) -> None:
        self.options = options
        self.own: dict[str, dict[str, Tensor]] = {}

    def begin(self, trainer: Trainer[Additive], task: Task) -> None:
        """Start from the base model."""
        trainer.adapter.reset(task.seed)

    def end(self, trainer: Trainer[Additive], task: Task, watch: Watch) -> dict[str, float]:
        """Keep the adapter of this task."""
        self.own[task.subject.name] = trainer.adapter.state()
        return {}

    def override(self, trainer: Trainer[Additive], subjects: Sequence[Subject]) -> Sequence[Params]:
        """The adapters that learned these subjects, or their sum; see :class:`..options.independent`."""
        asked = subjects[:1] if self.options.compose == "first" else subjects
        found = [self.own[name] for name in dict.fromkeys(s.name for s in asked) if name in self.own]
        summed = self.options.compose == "sum" and len(found) > 1
        return [trainer.adapter.total(found)] if summed else found

    def state(self) -> dict[str, Tensor]:
        """All adapters, as ``<concept>/<parameter>``."""
        return flatten(self.own)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Load the adapters."""
        self.own = unflatten(state)
