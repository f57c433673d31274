"""The options of VeRA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...benchmark.numbers import Range
from ...benchmark.ranged import Ranged


@dataclass(frozen=True)
class VeraOptions(Ranged):
    """Rank r of the frozen projections, the seed that they are drawn with, and the first value of each entry of d."""

    rank: Annotated[int, Range(1, 100_000)] = 64
    projection: Annotated[int, Range(0, 2**63 - 1)] = 0
    first: Annotated[float, Range(0, 100, above=True)] = 0.1
