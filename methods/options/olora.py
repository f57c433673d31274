"""The options of O-LoRA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...benchmark.numbers import Range
from ...benchmark.ranged import Ranged


@dataclass(frozen=True)
class OloraOptions(Ranged):
    """λ of the orthogonality penalty."""

    strength: Annotated[float, Range(0, 1e15)] = 0.5
