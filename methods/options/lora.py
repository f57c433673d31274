"""The options of LoRA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...benchmark.numbers import Choice, Range
from ...benchmark.ranged import Ranged, added

TARGETS = ("kv", "attention")


@dataclass(frozen=True)
class LoraOptions(Ranged):
    """Rank r and scale α of the low-rank change ΔW = (α/r) B A.

    ``targets``: the layers that change: "kv", keys and values of the text, or "attention", all projections of
    attention. ``text``: the text encoders change too, in all projections of their attention.
    """

    rank: Annotated[int, Range(1, 10_000)] = 32
    alpha: Annotated[float, Range(0, 1e6, above=True)] = 32.0
    targets: Annotated[str, Choice(TARGETS)] = added(TARGETS[0])
    text: bool = added(False)
