"""Consolidations: what protects earlier concepts while and after a new one is learned.

A consolidation is written for any adapter that has the capabilities it requires: it uses parameters, changes of
weights and the training loop, and never the kind of the adapter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

from ...benchmark.models.backbone import Params
from ...benchmark.protocol import Pictures, Subject, Task, Watch
from ..adapters.base import Adapter
from ..training import Step, Trainer

A = TypeVar("A", bound=Adapter)


class Consolidation(Generic[A]):
    """Protects nothing: every method has a neutral default, and a subclass replaces those that it needs.

    ``name``: prefix of its files and of its term in the loss. ``requires``: capabilities of :mod:`..adapters.base` that
    the adapter must have; another adapter is refused before training. ``recalls``: it uses the weights of the adapter
    after earlier tasks, so that it does not go with one that folds them away. ``keeps_pictures``: it keeps pictures of
    earlier concepts. ``grows``: its state only grows, by a piece per concept, with keys ``<concept>/…`` or
    ``<concept>``; each piece is then a file of its own, which later states share.
    """

    name = "none"
    requires: tuple[type, ...] = ()
    recalls = False
    keeps_pictures = False
    grows = False

    def begin(self, trainer: Trainer[A], task: Task) -> None:
        """Called before a task is learned; by default the adapter continues from where the last task left it."""

    def updates(self, task: Task) -> int:
        """How many updates a task gets: those of the suite; only joint training, from the base model, needs more."""
        return task.steps

    def rehearsed(self, trainer: Trainer[A]) -> list[tuple[Pictures, Subject]]:
        """Pictures of earlier concepts to train on beside those of the task; only replay has any."""
        return []

    def penalty(self, trainer: Trainer[A], step: Step) -> Tensor | None:
        """A term added to the denoising loss of a training step, or None."""
        return None

    def streams(self) -> Sequence[torch.Generator]:
        """The generators that :meth:`penalty` draws from, made in :meth:`begin`; checkpoints save their states."""
        return ()

    def end(self, trainer: Trainer[A], task: Task, watch: Watch) -> dict[str, float]:
        """Called once after the training of a task; returns figures to log (name to value)."""
        return {}

    def override(self, trainer: Trainer[A], subjects: Sequence[Subject]) -> Sequence[Params]:
        """Adapter weights to draw a prompt about these subjects with; none: the present ones.

        Where there are several, their predictions of the noise are averaged at every step.
        """
        return ()

    def state(self) -> dict[str, Tensor]:
        """All tensors that later tasks need."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Load what :meth:`state` returned."""


def noise_distance(teacher: Tensor, student: Tensor) -> Tensor:
    """‖ε_T − ε_θ‖² (mean over entries) of two predictions (n, c, h, w)."""
    return (teacher - student).square().mean()


def distance_from(trainer: Trainer[A], step: Step, prompt: str, teacher: Params) -> Tensor:
    """:func:`noise_distance` under one prompt on the noisy pictures of a step; ``teacher``: the weights of ε_T."""
    with torch.no_grad():
        text = trainer.backbone.embed([prompt] * len(step.noisy))
        told = trainer.backbone.predict(step.noisy, step.t, text, teacher)
    return noise_distance(told, trainer.backbone.predict(step.noisy, step.t, text))


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
