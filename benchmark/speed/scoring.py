"""Scoring against the classes of torchmetrics, on the same features, pictures and networks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

from ..errors import CpbenchError
from ..models.extractors import Extractor, Preparation
from ..protocol import Features, Pictures
from ..scoring import functional
from ..scoring.lpips import lpips_diversity, lpips_network
from ..toybox.parts import build_tokenizer
from ..wording import shown
from .bench import Bench
from .paired import Work, paired
from .row import Measurement, Row, ratio_row

_ROWS, _WIDTH, _WIDE = 512, 256, 1280
_PICTURES, _SIDE, _PER_PROMPT = 16, 64, 4
_CPU = torch.device("cpu")
Rivals = tuple[Work, Work]
"""The same score, by cpbench and by torchmetrics."""


def scoring_measurements(bench: Bench) -> Iterator[Measurement]:
    """Each score that torchmetrics has a class for."""
    rivals: dict[str, tuple[str, Callable[[], Rivals]]] = {
        "KID": ("KernelInceptionDistance", _kid),
        "FID": ("FrechetInceptionDistance", _fid),
        "CLIP score": ("CLIPScore", _clip),
        "LPIPS diversity": ("LearnedPerceptualImagePatchSimilarity", _lpips),
    }
    for what, (name, make) in rivals.items():

        def measure(what: str = what, name: str = name, make: Callable[[], Rivals] = make) -> list[Row]:
            return [_scored(what, name, make, bench.repeats)]

        yield Measurement(f"scoring: {what}", measure)


def _scored(what: str, name: str, make: Callable[[], Rivals], repeats: int) -> Row:
    """The row of a score; where torchmetrics or its weights fail, a row with the reason."""
    row = Row("scoring", what, "torchmetrics", "ratio")
    try:
        ours, theirs = make()
        ours()
    except CpbenchError as error:  # weights that are not on this machine
        return _without(row, str(error))
    try:
        theirs()
    except Exception as error:  # whatever a library raises that does not fit to another one
        where = f"torchmetrics {version('torchmetrics')} with transformers {version('transformers')}"
        return _without(row, f"{name} fails in {where}: {shown(f'{type(error).__name__}: {error}', 160)}")
    return ratio_row("scoring", what, row.against, paired(ours, theirs, repeats, time.process_time))


def _without(row: Row, reason: str) -> Row:
    return Row(row.part, row.what, row.against, row.unit, note=reason)


def _features(seed: int, n: int, d: int) -> Features:
    found: Features = np.random.default_rng(seed).normal(seed, 1, (n, d))
    return found


def _through(width: int) -> nn.Module:
    """The network of torchmetrics' distances, where features are given instead of pictures."""
    network = nn.Identity()
    network.num_features = width  # type: ignore[assignment]  # torchmetrics reads it
    return network


def _kid() -> Rivals:
    from torchmetrics.image.kid import KernelInceptionDistance

    x, y = _features(0, _ROWS, _WIDE), _features(1, _ROWS, _WIDE)
    kid = KernelInceptionDistance(feature=_through(_WIDE), subsets=1, subset_size=_ROWS).set_dtype(torch.float64)
    return lambda: functional.kid(x, y), lambda: _distance(kid, x, y)[0]


def _fid() -> Rivals:
    from torchmetrics.image.fid import FrechetInceptionDistance

    x, y = _features(0, _ROWS, _WIDTH), _features(1, _ROWS, _WIDTH)
    fid = FrechetInceptionDistance(feature=_through(_WIDTH)).set_dtype(torch.float64)
    return lambda: functional.frechet(x, y), lambda: _distance(fid, x, y)


def _distance(metric: Any, x: Features, y: Features) -> Any:
    """A distance of torchmetrics between features (n, d)."""
    metric.reset()
    metric.update(torch.from_numpy(x), real=True)
    metric.update(torch.from_numpy(y), real=False)
    return metric.compute()


def _pictures() -> Pictures:
    return np.random.default_rng(0).integers(0, 256, (_PICTURES, _SIDE, _SIDE, 3), dtype=np.uint8)


def _floats(pictures: Pictures) -> Tensor:
    """Pictures (n, 3, h, w) in [-1, 1]."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


class _Seeing(nn.Module):
    """The picture encoder of a CLIP: embeddings (n, e) of prepared pictures."""

    def __init__(self, clip: CLIPModel) -> None:
        super().__init__()
        self.clip = clip

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.clip.visual_projection(self.clip.vision_model(x).pooler_output)
        return found


def small_clip(tokenizer: Any) -> CLIPModel:
    """A CLIP with random weights and a quarter of the width of ViT-B/32; its weights matter to no time."""
    vision = {"hidden_size": 192, "intermediate_size": 768, "num_attention_heads": 3, "num_hidden_layers": 12}
    text = {"hidden_size": 128, "intermediate_size": 512, "num_attention_heads": 2, "num_hidden_layers": 12}
    words = {"vocab_size": len(tokenizer), "max_position_embeddings": tokenizer.model_max_length}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = CLIPConfig(vision_config=vision, text_config=text | words | ends, projection_dim=128)
        return CLIPModel(config).eval().requires_grad_(False)


def _clip() -> Rivals:
    from torchmetrics.multimodal.clip_score import CLIPScore

    tokenizer, reader = build_tokenizer(), CLIPImageProcessor()
    clip, pictures = small_clip(tokenizer), _pictures()
    texts = ["a photo of a cat in the snow"] * len(pictures)
    see = Extractor("small-clip", "", _Seeing(clip), Preparation(224, 224, (0.5,) * 3, (0.5,) * 3), _CPU)

    def process(text: Any = None, images: Any = None, **options: Any) -> Any:
        return tokenizer(text, **options) if text is not None else reader(images, return_tensors="pt")

    score = CLIPScore(model_name_or_path=lambda: (clip, process))
    given = [torch.from_numpy(picture).permute(2, 0, 1) for picture in pictures]

    def theirs() -> None:
        score.reset()
        score.update(given, texts)
        score.compute()

    return lambda: functional.text_align(see(pictures), _read(clip, tokenizer, texts)), theirs


@torch.no_grad()
def _read(clip: CLIPModel, tokenizer: Any, texts: Sequence[str]) -> Features:
    """The embeddings (n, e) of texts."""
    ids = tokenizer(list(texts), return_tensors="pt", padding=True).input_ids
    found: Features = clip.text_projection(clip.text_model(ids).pooler_output).double().numpy()
    return found


def _lpips() -> Rivals:
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    lpips_network()  # it raises where the weights are missing, before torchmetrics asks the network for them
    metric, pictures = LearnedPerceptualImagePatchSimilarity(net_type="alex"), _pictures()
    groups: NDArray[np.int64] = np.arange(len(pictures)) // _PER_PROMPT
    x, same = _floats(pictures), np.triu(groups[:, None] == groups, 1)
    first, second = (torch.from_numpy(k) for k in np.nonzero(same))

    def theirs() -> None:
        metric.reset()
        metric.update(x[first], x[second])
        metric.compute()

    return lambda: lpips_diversity(pictures, groups), theirs
