"""The options of L2, the distance from the adapter after the last task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...benchmark.numbers import Range
from ...benchmark.ranged import Ranged


@dataclass(frozen=True)
class L2Options(Ranged):
    """λ of the squared distance."""

    strength: Annotated[float, Range(0, 1e15)] = 1e-3
