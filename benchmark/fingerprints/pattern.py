"""A method and an extractor without rounding: they show how the benchmark puts tasks, seeds and scores together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..hashing import digest
from ..models.extractors import Extractor
from ..plain_json import json_text
from ..protocol import Features, Pictures, Prompt, Question, Task, Watch
from .quantities import normal, uniform

_SIDE = 64


class Pattern:
    """Draws its training picture under noise that grows with every later task, in whole numbers."""

    def __init__(self, backbone: Any, seed: int) -> None:
        self.names: list[str] = []
        self.kept: dict[str, Pictures] = {}

    def learn(self, task: Task, watch: Watch) -> dict[str, float]:
        """Keep the first picture."""
        self.names.append(task.subject.name)
        self.kept[task.subject.name] = task.pictures[0]
        return {"seed": float(task.seed)}

    def generate(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Pictures:
        """One picture per prompt and seed, (n, 64, 64, 3)."""
        return np.stack([self._one(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)])

    def _one(self, prompt: Prompt, seed: int) -> Pictures:
        text = prompt.render(lambda subject: f"{subject.name} {subject.noun}")
        rough = _rough(text, seed)
        own = [self.kept[s.name] for s in prompt.subjects if s.name in self.kept]
        weight = min(12, 3 + 3 * len(self.names)) if own else 16
        shown = sum((p.astype(np.int64) for p in own), np.zeros((_SIDE, _SIDE, 3), np.int64)) // max(1, len(own))
        return ((16 - weight) * shown // 16 + weight * rough // 16).astype(np.uint8)

    def explain(self, pictures: Pictures, questions: Sequence[Question]) -> NDArray[np.float64]:
        """Errors (n,), most often the smallest for the right concept among those learned early."""
        found = [
            uniform((1,), _seed([q.prompt.render(lambda s: s.name), q.picture, q.t, q.seed, self.names]))[0] + 2
            for q in questions
        ]
        return np.array(found)

    def save(self, folder: Path) -> None:
        """The names and the pictures."""
        (folder / "names.json").write_text(json_text([self.names, {k: v.tolist() for k, v in self.kept.items()}]))

    def load(self, folder: Path) -> None:
        """Load both."""
        self.names, kept = json.loads((folder / "names.json").read_text())
        self.kept = {k: np.array(v, np.uint8) for k, v in kept.items()}

    def trainable(self) -> int:
        """None."""
        return 0


def rough_pictures(prompts: Sequence[str], seeds: Sequence[int], *params: object) -> Pictures:
    """What a model could draw for prompts and seeds, (n, 64, 64, 3), without any rounding."""
    return np.stack([_rough(p, seed) for p, seed in zip(prompts, seeds, strict=True)]).astype(np.uint8)


def _rough(prompt: str, seed: int) -> NDArray[np.int64]:
    noise = uniform((8, 8, 3), _seed([prompt, seed])) / np.sqrt(12) + 0.5
    rough: NDArray[np.int64] = np.round(noise * 255).astype(np.int64).repeat(8, 0).repeat(8, 1)
    return rough


def _seed(what: list[Any]) -> int:
    return int(digest(what), 16) % 2**31


@dataclass(frozen=True)
class Chosen:
    """A choice of :class:`Pattern`, or of another name, options and code, for keys of units."""

    name: str = "pattern"
    options: Mapping[str, Any] = field(default_factory=lambda: {"pattern": {"strength": 1.0}})
    code: str = "pattern"
    make: Any = Pattern


class _Pooled(nn.Module):
    """Means of blocks of pixels under a fixed matrix, in float64."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = torch.from_numpy(normal((48, 10), 8))

    def forward(self, x: Tensor) -> Tensor:
        """Features (n, 10) of prepared pictures (n, 3, 64, 64)."""
        return nn.functional.avg_pool2d(x.double(), 16).flatten(1) @ self.matrix + 1.0


def pooled() -> Extractor:
    """An extractor in float64, d = 10."""
    return Extractor("pooled", "pooled", _Pooled(), _scaled, torch.device("cpu"))


def _scaled(pictures: Pictures) -> Tensor:
    return torch.from_numpy(pictures.copy()).permute(0, 3, 1, 2).double() / 255


class Texts:
    """An aligner: features as they are, and fixed vectors of texts."""

    def image(self, features: Features) -> Features:
        """The features (n, 10) themselves."""
        return features

    def text(self, texts: list[str]) -> Features:
        """Vectors (n, 10) that depend on the text alone."""
        return np.stack([normal((10,), _seed([text])) + 1 for text in texts])
