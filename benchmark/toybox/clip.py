"""``toybox-clip``: pictures and captions of the toybox world in one space, so that text alignment works offline.

A small CLIP text tower and a linear map of frozen ``effnet-lite0`` features, trained together with the symmetric
contrastive loss of Radford et al. (2021, fig. 3).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from ..errors import BadInput, Damaged
from ..metrics import Features, unit
from ..spec import digest
from .captions import OPENINGS, WHERE, Scene
from .parts import MAX_TOKENS, build_tokenizer
from .stage import Progress, Schedule, Stage
from .weights import read_module, weights_folder, write_module
from .world import CLASSES, COLOURS

FEATURES = 1280
WIDTH = 128
_MAX_LOGIT_SCALE = 4.6052  # log 100, as in CLIP
_OPENING = re.compile("^(?:" + "|".join(o for o in OPENINGS if o) + ") ")


@dataclass(frozen=True)
class ClipRecipe:
    """Everything that decides the weights, besides the code and the scenes."""

    seed: int = 0
    scenes: int = 12_000
    updates: int = 2_000
    batch: int = 192
    rate: float = 1e-3
    ema: float = 0.995
    shrinkage: float = 0.1
    feature_noise: float = 0.7
    feature_dropout: float = 0.2


class ToyboxClip(nn.Module):
    """Embeds ``effnet-lite0`` features (n, 1280) and captions as vectors (n, 128), to be compared by cosine."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.tokenizer = build_tokenizer()
        self.key = ""
        self.tower = CLIPTextModelWithProjection(
            CLIPTextConfig(
                vocab_size=len(self.tokenizer),
                hidden_size=96,
                intermediate_size=384,
                projection_dim=WIDTH,
                num_hidden_layers=2,
                num_attention_heads=4,
                max_position_embeddings=MAX_TOKENS,
                bos_token_id=0,
                eos_token_id=1,
                pad_token_id=1,
            )
        )
        self.project = nn.Linear(FEATURES, WIDTH)
        self.logit_scale = nn.Parameter(torch.tensor(2.6593))  # log(1 / 0.07), as in CLIP
        self.register_buffer("mean", torch.zeros(FEATURES))

    def centred(self, features: Features) -> Tensor:
        """Features (n, 1280) less the mean of the training scenes, float32; raises BadInput for other widths."""
        if features.ndim != 2 or features.shape[1] != FEATURES:
            raise BadInput(f"toybox-clip reads effnet-lite0 features (n, {FEATURES}), got {features.shape}.")
        return torch.from_numpy(features).float() - self.mean

    def tokens(self, texts: Sequence[str]) -> Tensor:
        """Token ids (n, length), padded to the longest; raises BadInput beyond 32 tokens."""
        ids: Tensor = self.tokenizer(list(texts), padding=True, return_tensors="pt").input_ids
        if ids.shape[1] > MAX_TOKENS:
            longest = max(texts, key=lambda text: len(self.tokenizer(text).input_ids))
            raise BadInput(f"the text '{longest}' is longer than the {MAX_TOKENS} tokens that toybox-clip can read.")
        return ids

    @torch.no_grad()
    def image(self, features: Features) -> Features:
        """Embeddings (n, 128) of features (n, 1280); lengths differ, only directions count."""
        embedded: Features = self.project(self.centred(features)).double().numpy()
        return embedded

    @torch.no_grad()
    def text(self, texts: list[str]) -> Features:
        """Embeddings (n, 128) of sentences; lengths differ, only directions count."""
        chunks = [self.tower(self.tokens(texts[k : k + 256])).text_embeds for k in range(0, len(texts), 256)]
        embedded: Features = torch.cat(chunks).double().numpy()
        return embedded


def build_clip(seed: int) -> ToyboxClip:
    """Build it with random weights drawn from ``seed``; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ToyboxClip().eval()


# --- training ---------------------------------------------------------------------------------------------------------


def meaning(caption: str) -> str:
    """A caption without its opening: what two captions must share to say the same."""
    return _OPENING.sub("", caption)


class _Contrast:
    """The contrastive loss on a random batch in which no two captions say the same.

    The loss calls every other caption of the batch wrong, so of captions with equal meaning only the first is kept.
    """

    def __init__(self, recipe: ClipRecipe, clip: ToyboxClip, features: Tensor, captions: Sequence[str]) -> None:
        from open_clip.loss import ClipLoss

        self.recipe, self.clip, self.loss = recipe, clip, ClipLoss()
        self.features, self.tokens = features, clip.tokens(captions)
        numbers: dict[str, int] = {}
        self.meanings = np.array([numbers.setdefault(meaning(c), len(numbers)) for c in captions])

    def __call__(self, generator: torch.Generator) -> Tensor:
        rows = self._rows(generator)
        image = self.clip.project(self._disturbed(self.features[rows], generator))
        text = self.clip.tower(self.tokens[rows]).text_embeds
        scale = self.clip.logit_scale.clamp(max=_MAX_LOGIT_SCALE).exp()
        loss: Tensor = self.loss(F.normalize(image), F.normalize(text), scale)
        return loss

    def _rows(self, generator: torch.Generator) -> Tensor:
        """Row numbers (at most ``batch``,) without replacement, one for each meaning."""
        rows = torch.randperm(len(self.features), generator=generator)[: self.recipe.batch]
        _, first = np.unique(self.meanings[rows.numpy()], return_index=True)
        return rows[torch.from_numpy(first)]

    def _disturbed(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Noise and dropout: 1280 features of 12000 pictures would otherwise be learned by heart."""
        x = x + self.recipe.feature_noise * torch.randn(x.shape, generator=generator)
        kept = torch.rand(x.shape, generator=generator) >= self.recipe.feature_dropout
        return x * kept / (1 - self.recipe.feature_dropout)


def train_clip(
    clip: ToyboxClip, features: Features, captions: Sequence[str], recipe: ClipRecipe, folder: Path
) -> Iterator[Progress]:
    """Train on features (n, 1280) of captioned pictures; resumes from ``folder`` and yields after every update.

    The projection is learned on whitened features, since a place moves them far less than a class does; at the end the
    whitening is folded into it.
    """
    clip.mean.copy_(torch.from_numpy(features.mean(axis=0)))
    white = whitening_matrix(clip.centred(features), recipe.shrinkage)
    loss = _Contrast(recipe, clip, clip.centred(features) @ white, captions)
    schedule = Schedule(recipe.updates, recipe.rate, cooldown=0.7)
    stage = Stage("clip", {"clip": clip}, loss, schedule, folder, seed=recipe.seed + 3, ema=recipe.ema)
    yield from stage.run()
    stage.use_average()
    with torch.no_grad():
        clip.project.weight.copy_(clip.project.weight @ white)


def whitening_matrix(centred: Tensor, shrinkage: float) -> Tensor:
    """The symmetric (d, d) map S^(-1/2) of :func:`~cpbench.benchmark.metrics.whitening`, for many rows (n > d)."""
    variance, basis = torch.linalg.eigh(centred.double().T @ centred.double() / len(centred))
    shrunk = (1 - shrinkage) * variance.clamp(min=0) + shrinkage * variance.mean()
    white: Tensor = (basis / shrunk.sqrt() @ basis.T).float()
    return white


# --- how well it tells captions apart ---------------------------------------------------------------------------------


def rivals(scene: Scene) -> dict[str, list[str]]:
    """Captions that differ from the scene's own in its class, its place or its main colour only."""
    swaps = {
        "class": (scene.noun, CLASSES),
        "place": (WHERE[scene.place], tuple(WHERE.values())),
        "colour": (scene.colour, tuple(COLOURS)),
    }
    return {what: _swapped(scene.caption, old, new) for what, (old, new) in swaps.items()}


def _swapped(caption: str, old: str, others: Sequence[str]) -> list[str]:
    """The caption with ``old`` replaced by each other phrase that it does not hold yet."""
    new = [other for other in others if not re.search(rf"\b{other}\b", caption)]
    return [_article(re.sub(rf"\b{old}\b", other, caption, count=1)) for other in new]


def _article(caption: str) -> str:
    return re.sub(r"\ban? (?=orange\b)", "an ", re.sub(r"\ban (?!orange\b)", "a ", caption))


def preference(clip: ToyboxClip, features: Features, scenes: Sequence[Scene]) -> dict[str, float]:
    """How often a picture prefers its own caption to all rivals in class, in place and in colour; in [0, 1].

    ``features`` (n, 1280) are those of the pictures of the scenes.
    """
    images = unit(clip.image(features))
    right = (images * unit(clip.text([s.caption for s in scenes]))).sum(axis=1)
    found = {}
    for what in ("class", "place", "colour"):
        texts = [rivals(s)[what] for s in scenes]
        best = [(unit(clip.text(t)) @ image).max() for t, image in zip(texts, images, strict=True)]
        found[what] = float((right > np.array(best)).mean())
    return found


# --- files ------------------------------------------------------------------------------------------------------------


def write_clip(clip: ToyboxClip, folder: Path, recipe: ClipRecipe, accuracy: dict[str, float]) -> None:
    """Write ``clip.safetensors`` in float16 and ``clip.json``: its sha256, recipe and held-out accuracy."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {"sha256": write_module(clip, folder / "clip.safetensors"), "recipe": asdict(recipe), "accuracy": accuracy}
    (folder / "clip.json").write_text(json.dumps(about, indent=1) + "\n")


def read_about(folder: Path | None = None) -> dict[str, Any]:
    """What ``clip.json`` records: sha256, recipe and accuracy; raises Damaged where it is missing."""
    file = (folder or weights_folder()) / "clip.json"
    if not file.is_file():
        raise Damaged(f"{file} is missing; reinstall cpbench.")
    about: dict[str, Any] = json.loads(file.read_text())
    return about


def read_clip(folder: Path | None = None) -> ToyboxClip:
    """The trained one, in float32; raises Damaged where the file is not the one recorded beside it."""
    sha256 = read_about(folder)["sha256"]
    clip = build_clip(0)
    read_module(clip, (folder or weights_folder()) / "clip.safetensors", sha256)
    clip.key = digest(["toybox-clip", sha256])
    return clip.requires_grad_(False)
