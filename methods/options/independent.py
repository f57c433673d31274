"""The options of independent adapters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...benchmark.numbers import Choice
from ...benchmark.ranged import Ranged

COMPOSITIONS = ("sum", "average", "first")


@dataclass(frozen=True)
class IndependentOptions(Ranged):
    """``compose``: how several adapters draw the subjects of one prompt together.

    sum: the base weights plus the changes of all. average: the mean of the noise that they predict, at every sampling
    step (arXiv 2402.16843, LoRA Composite). first: the adapter of the first subject alone.
    """

    compose: Annotated[str, Choice(COMPOSITIONS)] = "sum"
