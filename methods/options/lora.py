"""The options of LoRA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...benchmark.numbers import Range
from ...benchmark.ranged import Ranged


@dataclass(frozen=True)
class LoraOptions(Ranged):
    """Rank r and scale α of the low-rank change ΔW = (α/r) B A."""

    rank: Annotated[int, Range(1, 10_000)] = 32
    alpha: Annotated[float, Range(0, 1e6, above=True)] = 32.0
