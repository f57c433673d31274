"""Paired comparisons: differences between runs of the same order and seed, and the ranks that they leave open.

Methods see the same pictures, noises and times at the same update, so the difference within a pair is free of the
effects that the order and the seed have on both. Its interval is that of :func:`.stats.estimate` over the pairs; it is
Student's, so that two methods without any difference are found to differ in 5 % of comparisons.

"No difference" means the same expected value on each of these task orders. Where each order has several seeds, orders
are fixed and only seeds are noise, so methods that merely prefer different orders (an interaction of method and order)
are found to differ more often. A conclusion holds for these orders, not for all possible ones: that would take a sample
of many orders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from .entry import Entry
from .stats import Estimate, estimate

Value = Callable[[Entry], float]
"""Gives a number of a run; NaN where it has none."""


@dataclass(frozen=True)
class Difference:
    """The first method minus the second, over the ``estimate.n`` pairs of runs of both."""

    first: str
    second: str
    estimate: Estimate

    @property
    def significant(self) -> bool:
        """Whether the interval excludes zero."""
        interval = self.estimate.interval
        return interval is not None and (interval[0] > 0 or interval[1] < 0)


@dataclass(frozen=True)
class Rank:
    """The place by mean, and the best and worst place that the paired differences leave open.

    ``behind``: whether the first method by mean is significantly better.
    """

    place: int
    best: int
    worst: int
    behind: bool


Numbers = Mapping[tuple[tuple[str, ...], int], float]
"""A number by order and seed."""


def numbers(runs: Sequence[Entry], value: Value) -> Numbers:
    """The number of each run, by its order and seed."""
    return {(e.order, e.run.seed): value(e) for e in runs}


def difference(first: Numbers, second: Numbers, names: tuple[str, str]) -> Difference:
    """The mean difference over pairs of equal order and seed, with its interval for these orders (see above)."""
    pairs = [key for key in first if key in second]
    return Difference(*names, estimate([first[k] - second[k] for k in pairs], [order for order, _ in pairs]))


def differences(runs: Mapping[str, Sequence[Entry]], value: Value) -> dict[tuple[str, str], Difference]:
    """All pairs of methods, each once, in the order of ``runs``."""
    found = {name: numbers(own, value) for name, own in runs.items()}
    return {(a, b): difference(found[a], found[b], (a, b)) for a, b in combinations(found, 2)}


def ranks(runs: Mapping[str, Sequence[Entry]], value: Value, *, higher: bool = True) -> dict[str, Rank]:
    """Places of methods by their means, methods without any value last.

    A method's best place is behind all methods that are significantly better, its worst place before all that are
    significantly worse.
    """
    found = differences(runs, value)
    means = {name: estimate([value(e) for e in own]).value for name, own in runs.items()}
    sign = -1 if higher else 1
    ordered = sorted(runs, key=lambda name: (np.isnan(means[name]), sign * means[name], name))
    better = {name: 0 for name in runs}
    worse = {name: 0 for name in runs}
    behind = set[str]()
    for (a, b), d in found.items():
        if d.significant:
            winner, loser = (a, b) if (d.estimate.value > 0) == higher else (b, a)
            better[loser] += 1
            worse[winner] += 1
            behind |= {loser} if winner == ordered[0] else set()
    return {
        name: Rank(k, 1 + better[name], len(runs) - worse[name], name in behind) for k, name in enumerate(ordered, 1)
    }
