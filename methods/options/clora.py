"""The options of C-LoRA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...benchmark.numbers import Range
from ...benchmark.ranged import Ranged


@dataclass(frozen=True)
class CloraOptions(Ranged):
    """``strength`` is λ; the penalty is quartic in the scale of the factors, so useful values span decades."""

    strength: Annotated[float, Range(0, 1e15)] = 1e-2
