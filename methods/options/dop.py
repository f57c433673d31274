"""The options of DOP (differential output preservation)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...benchmark.numbers import Range
from ...benchmark.ranged import Ranged


@dataclass(frozen=True)
class DopOptions(Ranged):
    """λ of the distance between the noise that the model and the base model predict for the class noun."""

    strength: Annotated[float, Range(0, 1e15)] = 1.0
