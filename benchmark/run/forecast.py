"""Durations and the time that is left, in words."""

from __future__ import annotations

from collections import Counter, defaultdict

from ..plan.costs import Costs
from ..plan.units import Kind, Unit, kind_of

_TRUST = 2  # units of a kind that the estimate from before counts as, beside those seen since


class Forecast:
    """The time left: units to do, each at the mean of what was known before and of those done since."""

    def __init__(self, left: Counter[Kind], known: Costs, jobs: int = 1) -> None:
        self.left, self.known, self.jobs = Counter(left), known, jobs
        self.seen: dict[Kind, list[float]] = defaultdict(list)

    def ended(self, unit: Unit, seconds: float) -> None:
        """Count a unit that ended."""
        kind = kind_of(unit)
        self.seen[kind].append(seconds)
        self.left[kind] = max(0, self.left[kind] - 1)

    def seconds(self) -> float:
        """Seconds left, the units under way counted whole."""
        return sum(n * self._mean(kind) for kind, n in self.left.items()) / self.jobs

    def _mean(self, kind: Kind) -> float:
        seen = self.seen[kind]
        return (_TRUST * self.known.second(kind) + sum(seen)) / (_TRUST + len(seen))
