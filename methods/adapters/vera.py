"""VeRA, made by peft."""

from __future__ import annotations

from typing import Any

import peft
import torch
from torch import Tensor

from ...benchmark.models.backbone import Backbone
from ...benchmark.models.low_rank import LowRank
from ..options.vera import VeraOptions as VeraOptions
from .low_rank import PeftAdapter


class Vera(PeftAdapter):
    """VeRA, vector-based random matrix adaptation: ΔW = diag(b) B diag(d) A (arXiv 2310.11454).

    A and B are random, frozen and shared by all layers; the vectors d and b are trained.
    """

    last = "vera_lambda_b"

    def __init__(self, backbone: Backbone, seed: int, options: VeraOptions) -> None:
        config = peft.VeraConfig(
            r=options.rank,
            target_modules=backbone.layers[options.targets],
            projection_prng_key=options.projection,
            d_initial=options.first,
        )
        super().__init__(backbone, config, peft.tuners.vera.Linear)
        self.first = options.first
        self.reset(seed)

    def draw(self, layer: Any, generator: torch.Generator) -> None:
        """Set d to a constant, as in the paper: only the projections are random."""
        layer.vera_lambda_d["default"].fill_(self.first)

    def rows(self, layer: Any) -> Tensor:
        """The rows of diag(d) A."""
        return _factors(layer)[0]

    def clear(self, layer: Any) -> None:
        """Set b to zero."""
        layer.vera_lambda_b["default"].zero_()

    @torch.no_grad()
    def factors(self) -> dict[str, LowRank]:
        """The same change as that of a LoRA: A' = diag(d) A, (r, in), and B' = diag(b) B, (out, r), with α = r."""
        found = {name: _factors(layer) for name, layer in self.layers.items()}
        return {name: LowRank(a, b, float(len(a))) for name, (a, b) in found.items()}


def _factors(layer: Any) -> tuple[Tensor, Tensor]:
    a, b = layer.vera_A["default"][:, : layer.in_features], layer.vera_B["default"][: layer.out_features]
    d, scale = layer.vera_lambda_d["default"], layer.vera_lambda_b["default"]
    return d[:, None] * a, scale[:, None] * b
