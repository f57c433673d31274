"""How much of a network is used at once by a method: what its memory follows from. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

INSPECTED = 8
"""The most concepts that an inspection compares (:data:`.inspection.CANDIDATES`)."""


@dataclass(frozen=True)
class Pass:
    """A phase whose updates predict ``each`` times for each of ``pictures``, and keep what the gradients need.

    ``least``: the fewest predictions that must be kept at once.
    """

    name: str
    pictures: int
    each: int
    least: int


def passes(options: Mapping[str, Any], batch: int, concepts: int, *, prior: bool = False) -> list[Pass]:
    """The phases of the last of some tasks, for options by section and pictures per update.

    ``prior``: as many pictures of the class are learned beside them.
    """
    again, earlier = concepts > 1, concepts + 1
    each = 1 + prior + ("dop" in options) + ("lwf" in options and again)
    found = [Pass("learn", batch, each, each)]
    if again and (dsc := options.get("dsc")) is not None:
        each = min(dsc.candidates, earlier) if dsc.score_weight else 2
        found.append(Pass("dsc", dsc.batch, each, each))
    if again and (zipped := options.get("ziplora")) is not None:
        found.append(Pass("zip", zipped.batch, concepts, concepts))
    if (ewc := options.get("ewc")) is not None:
        found.append(Pass("fisher", 1, min(ewc.candidates, earlier) if ewc.score_weight else 1, 1))
    return [*found, Pass("inspect", 1, min(INSPECTED, earlier), 1)]
