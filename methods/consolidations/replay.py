"""Replay: pictures of earlier concepts are kept and mixed into the training of later ones. Upper bounds."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ...benchmark.protocol import Pictures, Subject, Task, Watch
from ..adapters.base import Adapter
from ..options.replay import ReplayOptions
from ..training import Trainer
from .base import Consolidation


class Replay(Consolidation[Adapter]):
    """Keeps pictures, which count as storage; training draws every concept equally often."""

    name = "replay"
    keeps_pictures = True
    grows = True

    def __init__(self, options: ReplayOptions) -> None:
        self.options = options
        self.kept: dict[str, Tensor] = {}

    def begin(self, trainer: Trainer[Adapter], task: Task) -> None:
        """Start from the base model under ``afresh``."""
        if self.options.afresh:
            trainer.adapter.reset(task.seed)

    def updates(self, task: Task) -> int:
        """Under ``afresh`` as many as sequential training has made so far: with fewer it would be no upper bound."""
        return task.steps * task.number if self.options.afresh else task.steps

    def rehearsed(self, trainer: Trainer[Adapter]) -> list[tuple[Pictures, Subject]]:
        """The kept pictures of each earlier concept."""
        return [(pictures.cpu().numpy(), trainer.known[name]) for name, pictures in self.kept.items()]

    def end(self, trainer: Trainer[Adapter], task: Task, watch: Watch) -> dict[str, float]:
        """Keep the first pictures of this task."""
        n = self.options.pictures or len(task.pictures)
        self.kept[task.subject.name] = torch.from_numpy(task.pictures[:n].copy())
        return {"pictures_kept": float(sum(map(len, self.kept.values())))}

    def state(self) -> dict[str, Tensor]:
        """The pictures, uint8 (n, h, w, 3) by concept."""
        return dict(self.kept)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Load the pictures."""
        self.kept = dict(state)
