"""The options of DSC (diffusion scores consolidation)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...benchmark.numbers import Choice, Count, Range, Text
from ...benchmark.ranged import Ranged

UNITS = ("loss", "raw")


@dataclass(frozen=True)
class DscOptions(Ranged):
    """w_H and β weigh scores and noise, τ is the temperature of the scores, and I the iterations of the phase.

    ``units``: those of the score term: "loss" multiplies it by τ² ē, for the units of the denoising loss, and "raw"
    takes the cross-entropies as they are. ``candidates``: k, how many concepts the scores compare: c⁰, c^j, cⁿ, and
    further earlier ones. ``generic``: what c⁰ is called for all concepts, e.g. "thing"; the class noun of each where
    it is empty. ``teachers``: whose scores are distilled: "both", "first" (LoRA_n), or "gated": those of the earlier
    adapter only for pictures of which it does not think that cⁿ is the least likely concept. ``reads``: what the
    earlier adapter reads for concepts that it has not learned: "current", their tokens, or "own", their class nouns.
    ``timesteps``: the part of the noise schedule that t is drawn from: "all", or the "low", "middle" or "high" third.
    """

    score_weight: Annotated[float, Range(0, 1e15)] = 10.0
    noise_weight: Annotated[float, Range(0, 1e15)] = 1.0
    units: Annotated[str, Choice(UNITS)] = "loss"
    temperature: Annotated[float, Range(1e-6, 1e6)] = 0.2
    iterations: Count = 60
    batch: Count = 4
    rate: Annotated[float, Range(0, 1)] = 1e-3
    candidates: Annotated[int, Range(3, 1000)] = 3
    generic: Annotated[str, Text()] = ""
    teachers: Annotated[str, Choice(("both", "first", "gated"))] = "both"
    reads: Annotated[str, Choice(("current", "own"))] = "current"
    timesteps: Annotated[str, Choice(("all", "low", "middle", "high"))] = "all"
