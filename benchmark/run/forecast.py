"""The time that is left, from units done so far and what was known before."""

from __future__ import annotations

from collections import Counter, defaultdict

from ..plan.costs import Costs
from ..plan.units import Kind, Unit, kind_of

_TRUST = 2  # the earlier estimate weighs as much as this many measured units


class Forecast:
    """The time left: each unit to do takes the mean of its kind, over the earlier estimate and the units done since."""

    def __init__(self, left: Counter[Kind], known: Costs, jobs: int = 1) -> None:
        self.left, self.known, self.jobs = Counter(left), known, jobs
        self.seen: dict[Kind, list[float]] = defaultdict(list)

    def ended(self, unit: Unit, seconds: float) -> None:
        """Count a unit that ended."""
        kind = kind_of(unit)
        self.seen[kind].append(seconds)
        self.left[kind] = max(0, self.left[kind] - 1)

    def seconds(self) -> float:
        """Seconds left; units under way count in full."""
        return sum(n * self._mean(kind) for kind, n in self.left.items()) / self.jobs

    def _mean(self, kind: Kind) -> float:
        seen = self.seen[kind]
        return (_TRUST * self.known.second(kind) + sum(seen)) / (_TRUST + len(seen))
