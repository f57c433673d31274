"""The options of online LwF (learning without forgetting)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...benchmark.numbers import Range
from ...benchmark.ranged import Ranged


@dataclass(frozen=True)
class LwfOptions(Ranged):
    """λ of the distance between the noise that the model predicts and what it predicted after the last task."""

    strength: Annotated[float, Range(0, 1e15)] = 1.0
