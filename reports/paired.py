"""Paired comparisons: differences between runs of the same order and seed, and ranks with what is sure of them.

Methods see the same pictures, noises and times at the same update, so a difference within a pair is free of what
orders and seeds do to both. Its interval is that of :func:`.stats.estimate` over the pairs; it is Student's, so that
two methods without any difference are told apart in 5 % of comparisons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .entry import Entry
from .stats import Estimate, estimate

Value = Callable[[Entry], float]
"""A number of a run; NaN where it has none."""


@dataclass(frozen=True)
class Difference:
    """First minus second over the ``estimate.n`` runs that both have."""

    first: str
    second: str
    estimate: Estimate

    @property
    def significant(self) -> bool:
        """Whether the interval leaves zero out."""
        interval = self.estimate.interval
        return interval is not None and not interval[0] <= 0 <= interval[1]


@dataclass(frozen=True)
class Rank:
    """Place by mean, and the best and worst place that the paired differences leave open."""

    place: int
    best: int
    worst: int


def difference(first: Sequence[Entry], second: Sequence[Entry], value: Value, names: tuple[str, str]) -> Difference:
    """The mean difference over pairs of equal order and seed."""
    others = {(e.order, e.run.seed): value(e) for e in second}
    pairs = [(e.order, value(e) - others[e.order, e.run.seed]) for e in first if (e.order, e.run.seed) in others]
    return Difference(*names, estimate([d for _, d in pairs], [order for order, _ in pairs]))


def differences(runs: Mapping[str, Sequence[Entry]], value: Value) -> dict[tuple[str, str], Difference]:
    """All pairs of methods, each once, in the order of ``runs``."""
    names = list(runs)
    return {(a, b): difference(runs[a], runs[b], value, (a, b)) for k, a in enumerate(names) for b in names[k + 1 :]}


def ranks(runs: Mapping[str, Sequence[Entry]], value: Value, *, higher: bool = True) -> dict[str, Rank]:
    """Places of methods by their means.

    A method's best place counts those that are significantly better than it, its worst place leaves out those that
    are significantly worse. Methods without any value are last.
    """
    found = differences(runs, value)
    means = {name: estimate([value(e) for e in own]).value for name, own in runs.items()}
    sign = -1 if higher else 1
    ordered = sorted(runs, key=lambda name: (np.isnan(means[name]), sign * means[name], name))
    better = {name: 0 for name in runs}
    worse = {name: 0 for name in runs}
    for (a, b), d in found.items():
        if d.significant:
            winner, loser = (a, b) if (d.estimate.value > 0) == higher else (b, a)
            better[loser] += 1
            worse[winner] += 1
    return {name: Rank(k, 1 + better[name], len(runs) - worse[name]) for k, name in enumerate(ordered, 1)}
