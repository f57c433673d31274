"""The options of EWC and EWC-DC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...benchmark.numbers import Choice, Count, Range, Text
from ...benchmark.ranged import Ranged
from .dsc import UNITS


@dataclass(frozen=True)
class EwcOptions(Ranged):
    """λ, the strength; γ, by which older Fisher information decays; E_F, the passes over the pictures that measure it.

    ``average``: the penalty uses the mean of the Fisher information of the tasks (weighted by the decay), not its sum,
    so that it does not grow with the number of tasks.

    The rest is for EWC-DC: w_DC weighs the scores (0: plain EWC) with temperature τ, over at most k ``candidates``;
    ``units``: "loss" multiplies the scores by τ ē, or "raw". With the contrast and the units "loss", τ cancels.
    ``plain`` takes only the cross-entropy with the learned concept. ``generic``: what c⁰ is called for all concepts,
    e.g. "thing"; the class noun of each where it is empty.
    """

    strength: Annotated[float, Range(0, 1e15)] = 1e-3
    decay: Annotated[float, Range(0, 1)] = 1.0
    average: bool = False
    passes: Count = 10
    score_weight: Annotated[float, Range(0, 1e15)] = 0.0
    units: Annotated[str, Choice(UNITS)] = "loss"
    temperature: Annotated[float, Range(1e-6, 1e6)] = 0.2
    candidates: Annotated[int, Range(2, 1000)] = 5
    plain: bool = False
    generic: Annotated[str, Text()] = ""
