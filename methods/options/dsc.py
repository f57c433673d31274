"""The options of DSC (diffusion scores consolidation)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...benchmark.numbers import Count, Range, Text
from ...benchmark.ranged import Ranged


@dataclass(frozen=True)
class DscOptions(Ranged):
    """w_H and β weigh scores and noise, τ is the temperature of the scores, and I the iterations of the phase.

    ``generic``: what c⁰ is called for all concepts, e.g. "thing"; the class noun of each where it is empty.
    """

    score_weight: Annotated[float, Range(0, 1e15)] = 1.0
    noise_weight: Annotated[float, Range(0, 1e15)] = 1.0
    temperature: Annotated[float, Range(1e-6, 1e6)] = 0.05
    iterations: Count = 60
    batch: Count = 4
    rate: Annotated[float, Range(0, 1)] = 1e-3
    generic: Annotated[str, Text()] = ""
