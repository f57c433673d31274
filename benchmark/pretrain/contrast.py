"""Trains toybox-clip with a symmetric contrastive loss on frozen features of captioned scenes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..models.extractors import load_extractor
from ..numbers import Count, Range
from ..protocol import Features
from ..ranged import Ranged
from ..scoring.functional import unit, whitening
from ..toybox.captions import OPENINGS, WHERE, Scene
from ..toybox.clip import FEATURES, MAX_LOGIT_SCALE, ToyboxClip, build_clip, write_clip
from ..toybox.parts import Parts
from ..toybox.world import CLASSES, COLOURS
from . import quality
from .stage import Rate, Schedule, Seed, Share, Stage, StageStep, Updates

_OPENING = re.compile("^(?:" + "|".join(o for o in OPENINGS if o) + ") ")


@dataclass(frozen=True)
class ClipRecipe(Ranged):
    """The settings of toybox-clip; with the code and the scenes they decide the weights."""

    seed: Seed = 0
    scenes: Count = 12_000
    updates: Updates = 2_000
    batch: Annotated[int, Range(2, 1_000_000)] = 192
    rate: Rate = 1e-3
    ema: Share = 0.995
    shrinkage: Annotated[float, Range(0, 1, above=True)] = 0.1
    feature_noise: Annotated[float, Range(0, 100)] = 0.7
    feature_dropout: Annotated[float, Range(0, 0.99)] = 0.2
    held_out: Count = 512


def meaning(caption: str) -> str:
    """A caption without its opening ("a photo of"); captions with equal results describe the same scene."""
    return _OPENING.sub("", caption)


class ContrastiveLoss:
    """The contrastive loss (Radford et al., 2021) on a random batch of captions with different meanings.

    The loss treats all other captions of the batch as wrong, so of captions with equal meaning only the first is kept.
    """

    def __init__(self, recipe: ClipRecipe, clip: ToyboxClip, features: Tensor, captions: Sequence[str]) -> None:
        from open_clip.loss import ClipLoss

        self.recipe, self.clip, self.loss = recipe, clip, ClipLoss()
        self.features, self.tokens = features, clip.tokens(captions)
        numbers: dict[str, int] = {}
        self.meanings = np.array([numbers.setdefault(meaning(c), len(numbers)) for c in captions])

    def __call__(self, generator: torch.Generator) -> Tensor:
        """The loss of the next batch, a scalar."""
        rows = self.rows(generator)
        image = self.clip.project(self._disturbed(self.features[rows], generator))
        text = self.clip.tower(self.tokens[rows]).text_embeds
        scale = self.clip.logit_scale.clamp(max=MAX_LOGIT_SCALE).exp()
        loss: Tensor = self.loss(F.normalize(image), F.normalize(text), scale)
        return loss

    def rows(self, generator: torch.Generator) -> Tensor:
        """Row numbers (at most ``batch``,), drawn without replacement, one per meaning."""
        rows = torch.randperm(len(self.features), generator=generator)[: self.recipe.batch]
        _, first = np.unique(self.meanings[rows.numpy()], return_index=True)
        return rows[torch.from_numpy(first)]

    def _disturbed(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Features with noise and dropout: 1280 features of 12000 pictures would be overfitted without."""
        x = x + self.recipe.feature_noise * torch.randn(x.shape, generator=generator)
        kept = torch.rand(x.shape, generator=generator) >= self.recipe.feature_dropout
        return x * kept / (1 - self.recipe.feature_dropout)


def train_clip(
    clip: ToyboxClip, features: Features, captions: Sequence[str], recipe: ClipRecipe, folder: Path
) -> Iterator[StageStep]:
    """Train on features (n, 1280) of captioned pictures; resumes from ``folder`` and yields after every update.

    The projection is trained on whitened features, since the place changes features far less than the class does. At
    the end the whitening is folded into the projection.
    """
    clip.mean.copy_(torch.from_numpy(features.mean(axis=0)))
    centred = features - features.mean(axis=0)
    white = torch.from_numpy(whitening(centred)(np.eye(FEATURES), recipe.shrinkage)).float()
    loss = ContrastiveLoss(recipe, clip, clip.centred(features) @ white, captions)
    schedule = Schedule(recipe.updates, recipe.rate, cooldown=0.7)
    stage = Stage("clip", {"clip": clip}, loss, schedule, folder, seed=recipe.seed + 4, ema=recipe.ema)
    yield from stage.run()
    stage.use_average()
    with torch.no_grad():
        clip.project.weight.copy_(clip.project.weight @ white)


def pretrain_clip(parts: Parts, folder: Path, recipe: ClipRecipe) -> Iterator[StageStep]:
    """Train toybox-clip on the first scenes of pretraining, autoencoded, and write it into ``folder / "weights"``."""
    extractor, backbone = load_extractor("effnet-lite0", torch.device("cpu")), quality.backbone_of(parts)
    pictures = np.load(folder / "pictures.npy", mmap_mode="r")[: recipe.scenes]
    captions = json.loads((folder / "captions.json").read_text())[: recipe.scenes]
    chunks = []
    for k in range(0, len(pictures), 32):
        chunks.append(extractor(backbone.reconstruct(pictures[k : k + 32])))
        yield StageStep("features", min(k + 32, len(pictures)), len(pictures), 0.0, 0.0)
    clip = build_clip(recipe.seed)
    yield from train_clip(clip, np.concatenate(chunks), captions, recipe, folder)
    held_out = quality.scenes(quality.HELD_OUT, recipe.held_out)
    accuracy = preference(clip, extractor(backbone.reconstruct(quality.pictures(held_out))), held_out)
    write_clip(clip, folder / "weights", asdict(recipe), accuracy)


def rivals(scene: Scene) -> dict[str, list[str]]:
    """Wrong captions of a scene, by what is wrong in them: only its class, only its place, or only its main colour."""
    swaps = {
        "class": (scene.noun, CLASSES),
        "place": (WHERE[scene.place], tuple(WHERE.values())),
        "colour": (scene.colour, tuple(COLOURS)),
    }
    return {what: _swapped(scene.caption, old, new) for what, (old, new) in swaps.items()}


def _swapped(caption: str, old: str, others: Sequence[str]) -> list[str]:
    """The caption with ``old`` replaced by each other phrase that is not in it already."""
    new = [other for other in others if not re.search(rf"\b{other}\b", caption)]
    return [_article(re.sub(rf"\b{old}\b", other, caption, count=1)) for other in new]


def _article(caption: str) -> str:
    return re.sub(r"\ban? (?=orange\b)", "an ", re.sub(r"\ban (?!orange\b)", "a ", caption))


def preference(clip: ToyboxClip, features: Features, scenes: Sequence[Scene]) -> dict[str, float]:
    """The share of pictures, in [0, 1], that are closer to their caption than to all of :func:`rivals`, by attribute.

    ``features`` (n, 1280) are those of the pictures of ``scenes``.
    """
    images = unit(clip.image(features))
    right = (images * unit(clip.text([s.caption for s in scenes]))).sum(axis=1)
    found = {}
    for what in ("class", "place", "colour"):
        texts = [rivals(s)[what] for s in scenes]
        best = [(unit(clip.text(t)) @ image).max() for t, image in zip(texts, images, strict=True)]
        found[what] = float((right > np.array(best)).mean())
    return found
