"""Consolidations: what protects the past while and after a concept is learned.

None of them knows which adapter it protects: they see parameters, a ``delta()``, and the learner's own loop.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ...benchmark.models.backbone import Params
from ...benchmark.protocol import Pictures, Subject, Task, Watch
from ..training import Step, Trainer


class Consolidation:
    """Protects nothing: the neutral element, and what the others refine."""

    name = "none"
    needs_weights = True  # tokens alone have none to protect
    folds = False  # whether it moves changes from the adapter into the base weights
    recalls = False  # whether it uses later what the adapter's weights were
    keeps_pictures = False

    def begin(self, trainer: Trainer, task: Task) -> None:
        """Called before a task is learned; without more, the adapter goes on from where the last task left it."""

    def updates(self, task: Task) -> int:
        """How many updates a task gets: those of the suite; only joint training, which starts afresh, needs more."""
        return task.steps

    def rehearsed(self, trainer: Trainer) -> list[tuple[Pictures, Subject]]:
        """Pictures of earlier concepts to train on beside those of the task; only replay has any."""
        return []

    def penalty(self, trainer: Trainer, step: Step) -> Tensor | None:
        """A term added to the denoising loss of a training step, or nothing."""
        return None

    def end(self, trainer: Trainer, task: Task, watch: Watch) -> dict[str, float]:
        """Called once after the training of a task; returns figures worth logging."""
        return {}

    def override(self, subject: Subject) -> Params | None:
        """Adapter weights to draw this subject with, where they differ from the current ones."""
        return None

    def state(self) -> dict[str, Tensor]:
        """All tensors that later tasks need."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Become what :meth:`state` gave."""


def flatten(pool: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """A pool of named states as one flat dict with keys ``<name>/<parameter>``."""
    return {f"{name}/{key}": value for name, one in pool.items() for key, value in one.items()}


def unflatten(state: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The inverse of :func:`flatten`; the order of the names is kept."""
    pool: dict[str, dict[str, Tensor]] = {}
    for path, value in state.items():
        name, key = path.split("/", 1)
        pool.setdefault(name, {})[key] = value
    return pool
