"""The options of every method that learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...benchmark.numbers import Range
from ...benchmark.ranged import Ranged


@dataclass(frozen=True)
class LearnerOptions(Ranged):
    """Learning rates of the adapter and of the new token, and how the token starts.

    ``cooldown``: the last share of the updates, over which the rates fall linearly to zero (0: never).
    ``use_noun``: the prompt names a concept "<token> noun", and the token starts as the noun; otherwise "<token>"
    alone, which starts at random, as in C-LoRA.
    """

    rate: Annotated[float, Range(0, 1)] = 3e-3
    token_rate: Annotated[float, Range(0, 1)] = 2e-3
    cooldown: Annotated[float, Range(0, 1)] = 0.5
    use_noun: bool = True
