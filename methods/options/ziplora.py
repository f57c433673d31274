"""The options of ZipLoRA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...benchmark.numbers import Count, Range
from ...benchmark.ranged import Ranged


@dataclass(frozen=True)
class ZipOptions(Ranged):
    """λ penalises columns that two concepts share; updates, batch and learning rate of the phase."""

    overlap: Annotated[float, Range(0, 1e15)] = 0.01
    iterations: Count = 60
    batch: Count = 2
    rate: Annotated[float, Range(0, 1)] = 1e-2
