"""Consolidations: what protects the past while and after a concept is learned.

None of them knows which adapter it protects: they see parameters, a ``delta()``, and the learner's own loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..benchmark.backbone import Params
from ..benchmark.protocol import Pictures, Subject, Task, Watch

if TYPE_CHECKING:
    from .learner import Learner


@dataclass(frozen=True)
class Step:
    """One training step: latents z and noise ε (n, c, h, w), t (n,), x_t, and the prompts (n)."""

    latents: Tensor
    noise: Tensor
    t: Tensor
    noisy: Tensor
    prompts: Sequence[str]


@dataclass(frozen=True)
class Phase:
    """One run of the learner's loop: what to minimise, the optimiser's groups, how many updates, and the batch.

    ``objective`` gives the terms of the loss by name; their sum is minimised, and each is logged.
    ``rehearsed``: pictures of earlier concepts to draw from beside those of the task, each concept equally often.
    ``streams``: the generators that the objective draws from, for checkpoints to hold.
    """

    name: str
    objective: Callable[[Step], Mapping[str, Tensor]]
    groups: list[dict[str, Any]]
    steps: int
    batch: int
    rehearsed: Sequence[tuple[Pictures, Subject]] = ()
    streams: Sequence[torch.Generator] = ()


class Consolidation:
    """Protects nothing: the neutral element, and what the others refine."""

    name = "none"
    needs_weights = True  # tokens alone have none to protect
    folds = False  # whether it moves changes from the adapter into the base weights
    recalls = False  # whether it uses later what the adapter's weights were
    keeps_pictures = False

    def begin(self, learner: Learner, task: Task) -> None:
        """Called before a task is learned; without more, the adapter goes on from where the last task left it."""

    def updates(self, task: Task) -> int:
        """How many updates a task gets: those of the suite; only joint training, which starts afresh, needs more."""
        return task.steps

    def rehearsed(self, learner: Learner) -> list[tuple[Pictures, Subject]]:
        """Pictures of earlier concepts to train on beside those of the task; only replay has any."""
        return []

    def penalty(self, learner: Learner, step: Step) -> Tensor | None:
        """A term added to the denoising loss of a training step, or nothing."""
        return None

    def end(self, learner: Learner, task: Task, watch: Watch) -> dict[str, float]:
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


def changes(delta: Mapping[str, Tensor]) -> dict[str, float]:
    """Mean |ΔW| of each changed matrix as ``change.<layer>``, and over all their entries as ``change``."""
    sums = {name: w.detach().abs().sum().item() for name, w in delta.items()}
    entries = {name: w.numel() for name, w in delta.items()}
    each = {f"change.{name}": total / entries[name] for name, total in sums.items()}
    return {"change": sum(sums.values()) / max(1, sum(entries.values())), **each}


def predict(learner: Learner, step: Step, text: Tensor, params: Params | None) -> Tensor:
    """ε for every candidate in ONE batched call; text (k, length, width), result (n, k, c, h, w)."""
    n, k = len(step.noisy), len(text)
    out = learner.backbone.eps(
        step.noisy.repeat_interleave(k, 0), step.t.repeat_interleave(k), text.repeat(n, 1, 1), params
    )
    return out.view(n, k, *step.noisy.shape[1:])
