"""The options of replay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...benchmark.numbers import Range
from ...benchmark.ranged import Ranged


@dataclass(frozen=True)
class ReplayOptions(Ranged):
    """``pictures`` kept per concept (0: all); ``afresh``: each task starts from the base model (joint training)."""

    pictures: Annotated[int, Range(0, 1_000_000)] = 2
    afresh: bool = False
