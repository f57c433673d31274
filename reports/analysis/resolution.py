"""How large a difference of average some runs can show: the resolution of a board, and of runs that are planned.

The resolution is the true difference of two methods that the paired test of :mod:`.paired` finds with the probability
:data:`POWER`. The test is Student's, so its statistic follows the noncentral t distribution. With n pairs, f degrees of
freedom and differences of standard deviation s,

    resolution = c(f) s / √n,  where P(|T| > t(0.975, f)) = POWER for T of noncentrality c(f).

For large f, c is the familiar 1.96 + 0.84 = 2.80; for three orders with two seeds each (f = 3) it is 4.3.

s is the root mean square over all pairs of methods. The estimate of a variance from few runs is unbiased, so its mean
is unbiased too, whereas medians of such estimates are too small (by a fifth for f = 3) and would promise too much.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import ncfdtrinc, stdtrit

from .entry import Entry
from .paired import Numbers, Value, numbers
from .stats import LEAST, LEVEL, Values

Stratum = tuple[str, ...]
"""A task order."""
Key = tuple[Stratum, int]
"""The order and the seed of a run."""
POWER = 0.8
"""The probability with which a difference as large as the resolution is found."""
MOST_SEEDS = 1000
"""No more seeds than this are proposed."""


@dataclass(frozen=True)
class Design:
    """Runs of each method: ``orders`` × ``seeds``; where orders have unequal numbers of seeds, ``seeds`` is None."""

    orders: int
    seeds: int | None
    runs: int
    freedom: int
    """Degrees of freedom of a paired difference; 0 where there are too few runs for an interval."""

    @classmethod
    def of(cls, keys: Sequence[Key]) -> Design:
        """The design of runs by order and seed, with the degrees of freedom of :func:`.stats.estimate`."""
        each = Counter(order for order, _ in keys)
        seeds = set(each.values())
        freedom = len(keys) - (len(each) if min(seeds, default=0) > 1 else 1)
        return cls(len(each), seeds.pop() if len(seeds) == 1 else None, len(keys), freedom if len(keys) >= LEAST else 0)

    @classmethod
    def planned(cls, orders: int, seeds: int) -> Design:
        """The design of a grid of runs."""
        return cls.of([((str(order),), seed) for order in range(orders) for seed in range(seeds)])


@dataclass(frozen=True)
class Resolution:
    """The smallest difference that is found with :data:`POWER`; ``value`` is in the unit of the metric.

    ``everywhere``: whether all methods have the runs of ``design``; of those that have fewer, less can be said.
    """

    value: float
    design: Design
    methods: int
    everywhere: bool


@dataclass(frozen=True)
class Noise:
    """Standard deviations of the paired differences of one run each, root mean squares over pairs of methods.

    ``seeds``: of runs on one order; ``total``: of runs on different orders, which adds what methods prefer. One that
    the runs do not show is taken to be equal to the other. ``design``, ``methods``: what they are estimated from.
    """

    seeds: float
    total: float
    design: Design
    methods: int

    def resolution(self, design: Design) -> float:
        """What a design would separate; infinite for too few runs."""
        if not design.freedom:
            return float("inf")
        several = design.freedom < design.runs - 1 or design.orders == 1
        return separated(self.seeds if several else self.total, design)

    def seeds_for(self, orders: int, wanted: float) -> int | None:
        """The fewest seeds with which ``orders`` orders separate ``wanted``; None where :data:`MOST_SEEDS` do not."""
        counts = range(1, MOST_SEEDS + 1)
        return next((n for n in counts if self.resolution(Design.planned(orders, n)) <= wanted), None)


def separated(s: float, design: Design) -> float:
    """The resolution for differences of standard deviation ``s``."""
    return _noncentrality(design.freedom) * s / float(np.sqrt(design.runs))


@cache
def _noncentrality(free: int) -> float:
    """The mean of a t statistic, in units of its spread, with which the test finds a difference with :data:`POWER`."""
    limit = float(stdtrit(free, 0.5 + LEVEL / 2))
    return math.sqrt(float(ncfdtrinc(1, free, 1 - POWER, limit * limit)))  # T² is F of one and f degrees of freedom


def resolution(runs: Mapping[str, Sequence[Entry]], value: Value) -> Resolution | None:
    """The resolution of the runs of some methods; None for fewer than two methods with the same runs.

    It is that of the set of orders and seeds that most methods have. It is infinite where these are too few for a test.
    """
    found = _shared(runs, value)
    if found is None:
        return None
    values, keys, everywhere = found
    design = Design.of(keys)
    if not design.freedom:
        return Resolution(float("inf"), design, len(values), everywhere)
    strata = [order for order, _ in keys] if design.freedom < design.runs - 1 else [()] * len(keys)
    variance = _squares(_within(values, strata)) / design.freedom
    return Resolution(separated(float(np.sqrt(variance)), design), design, len(values), everywhere)


def noise(runs: Mapping[str, Sequence[Entry]], value: Value) -> Noise | None:
    """The spread of paired differences; None for fewer than two methods with the same runs, or for fewer than two runs.

    Variance components by the method of moments, as in :func:`.stats.spread`.
    """
    found = _shared(runs, value)
    if found is None or len(found[1]) < 2:
        return None
    values, keys, _ = found
    strata = [order for order, _ in keys]
    each = Counter(strata)
    free = len(keys) - len(each)
    seeds = _squares(_within(values, strata)) / free if free else None
    total = _between(values, strata) if len(each) > 1 else None
    if seeds is not None and total is not None:
        total = seeds + max(0.0, total - seeds * float(np.mean([1 / n for n in each.values()])))
    seeds, total = seeds if seeds is not None else total, total if total is not None else seeds
    assert seeds is not None and total is not None
    return Noise(math.sqrt(seeds), math.sqrt(total), Design.of(keys), len(values))


def _between(values: Values, strata: Sequence[Stratum]) -> float:
    """The variance of the differences of means of strata."""
    own = [[k for k, s in enumerate(strata) if s == stratum] for stratum in dict.fromkeys(strata)]
    means = np.stack([values[:, places].mean(axis=1) for places in own], axis=1)
    return _squares(means - means.mean(axis=1, keepdims=True)) / (len(own) - 1)


def _shared(runs: Mapping[str, Sequence[Entry]], value: Value) -> tuple[Values, list[Key], bool] | None:
    """The values of the methods that have the commonest set of runs, (methods, runs), by order and seed.

    At the end, whether these are all methods.
    """
    found: list[Numbers] = [numbers(own, value) for own in runs.values()]
    found = [{key: v for key, v in of.items() if not np.isnan(v)} for of in found]
    sets = Counter(frozenset(of) for of in found if of)
    if not sets:
        return None
    most = max(sets, key=lambda keys: (sets[keys], len(keys)))
    if sets[most] < 2:
        return None
    keys = sorted(most)
    return np.array([[of[key] for key in keys] for of in found if of.keys() == most]), keys, sets[most] == len(runs)


def _within(values: Values, strata: Sequence[Stratum]) -> Values:
    """Each value minus the mean of its method in its stratum, (methods, runs)."""
    centred = values.copy()
    for stratum in set(strata):
        own = [k for k, s in enumerate(strata) if s == stratum]
        centred[:, own] -= centred[:, own].mean(axis=1, keepdims=True)
    return centred


def _squares(centred: Values) -> float:
    """The sum of squared differences of two methods, mean over all pairs of methods.

    Σ ‖a - b‖² over pairs is m Σ ‖a‖² - ‖Σ a‖².
    """
    m = len(centred)
    total = m * float(np.square(centred).sum()) - float(np.square(centred.sum(axis=0)).sum())
    return max(0.0, total) / (m * (m - 1) / 2)
