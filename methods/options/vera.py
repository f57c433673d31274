"""The options of VeRA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...benchmark.numbers import Choice, Range
from ...benchmark.ranged import Ranged, added
from .lora import TARGETS


@dataclass(frozen=True)
class VeraOptions(Ranged):
    """Rank r of the frozen projections, the seed that they are drawn with, and the first value of each entry of d.

    ``targets``: the layers that change, as for LoRA.
    """

    rank: Annotated[int, Range(1, 100_000)] = 64
    projection: Annotated[int, Range(0, 2**63 - 1)] = 0
    first: Annotated[float, Range(0, 100, above=True)] = 0.1
    targets: Annotated[str, Choice(TARGETS)] = added(TARGETS[0])
