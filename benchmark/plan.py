"""What a run is made of: the units whose results its record gathers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .results import Run
from .units import Classify, Draw, Measure, Real, Train, Unit


@dataclass(frozen=True)
class Look:
    """Pictures of ``subjects`` after ``i`` tasks; ``j`` is the place of the later one in the order, 0 for the prior.

    ``measure`` is None for a glimpse, which is shown and not measured.
    """

    i: int
    j: int
    draw: Draw
    measure: Measure | None


@dataclass(frozen=True)
class RunPlan:
    """One run and the units its record is made of."""

    run: Run
    trains: tuple[Train, ...]
    looks: tuple[Look, ...]
    reals: tuple[Real, ...]
    ceilings: tuple[Measure, ...]
    classified: tuple[Classify, ...]

    def units(self) -> Iterable[Unit]:
        """All units in an order in which they can be done: task after task, floors and ceilings first."""
        for i in range(len(self.run.order) + 1):
            yield from self.units_at(i)

    def units_at(self, i: int) -> Iterator[Unit]:
        """The units after ``i`` tasks; with 0, those of the base model and of real pictures: methods share them."""
        if i == 0:
            yield from self.reals
            yield from self.ceilings
        yield from (t for t in self.trains if t.number == i)
        for look in (x for x in self.looks if x.i == i):
            yield from (u for u in (look.draw, look.measure) if u is not None)
        yield from self.classified[i : i + 1]


def gather(plans: Iterable[RunPlan]) -> dict[str, Unit]:
    """The units of all runs by key, each once, in an order in which they can be done."""
    return {unit.key: unit for plan in plans for unit in plan.units()}
