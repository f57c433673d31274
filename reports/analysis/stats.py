"""Estimates with intervals over runs, and where their spread comes from.

Intervals are Student's. Those of a percentile bootstrap are too short for the few runs of a benchmark: over six normal
values, 86 % of its 95 % intervals hold the mean (``tests/test_stats.py``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

LEVEL = 0.95
LEAST = 3
"""The fewest runs with an interval: that of two would be too wide to be of use."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean over ``n`` runs, with its interval (:data:`LEVEL`) where there are at least :data:`LEAST`."""

    value: float
    interval: tuple[float, float] | None
    n: int


def written(e: Estimate) -> str:
    """The value for CSV, unrounded; empty where nothing was measured."""
    return "" if np.isnan(e.value) else repr(e.value)


def estimate(values: Sequence[float], strata: Sequence[Hashable] | None = None) -> Estimate:
    """The mean of runs (NaN left out) with its interval.

    ``strata`` are the task orders of the runs. Where each order has several seeds, the interval is that of the mean
    over these orders, from the spread of seeds within each; otherwise from the spread of all runs.
    """
    seen = _groups(values, strata)
    n = sum(map(len, seen))
    if not n:
        return Estimate(float("nan"), None, 0)
    mean = float(np.concatenate(seen).mean())
    return Estimate(mean, _interval(mean, seen) if n >= LEAST else None, n)


def deviation(values: Sequence[float], strata: Sequence[Hashable] | None = None) -> float:
    """The standard deviation of one run that the interval of :func:`estimate` follows from; NaN for a single run."""
    return float(np.sqrt(pooled_variance(_groups(values, strata))))


def _groups(values: Sequence[float], strata: Sequence[Hashable] | None) -> list[Values]:
    """The runs of each stratum, NaN left out; all runs together where a stratum has only one."""
    labels = list(strata) if strata is not None else [None] * len(values)
    groups: dict[Hashable, list[float]] = defaultdict(list)
    for value, label in zip(values, labels, strict=True):
        if not np.isnan(value):
            groups[label].append(value)
    seen = [np.array(g) for g in groups.values()]
    return [np.concatenate(seen)] if seen and min(map(len, seen)) < 2 else seen


def _interval(mean: float, groups: Sequence[Values]) -> tuple[float, float]:
    """Mean -+ t s / sqrt(n), s² the variance pooled within groups; n - (number of groups) degrees of freedom."""
    n, free = sum(map(len, groups)), sum(len(g) - 1 for g in groups)
    half = _quantile(free) * float(np.sqrt(pooled_variance(groups) / n))
    return mean - half, mean + half


@cache
def _quantile(free: int) -> float:
    return float(stdtrit(free, 0.5 + LEVEL / 2))  # scipy.stats takes 0.6 s to import


def pooled_variance(groups: Sequence[Values]) -> float:
    """The variance within groups: squared distances to their own means, over n - (number of groups); NaN where 0."""
    free = sum(len(g) - 1 for g in groups)
    return float(sum(np.square(g - g.mean()).sum() for g in groups)) / free if free else float("nan")


@dataclass(frozen=True)
class Spread:
    """Standard deviations of a score by their source; NaN where the runs do not suffice to estimate them.

    ``order``: between task orders. ``training``: between seeds of training on one order. ``sampling``: between draws
    of pictures from one model.
    """

    order: float
    training: float
    sampling: float


def spread(values: Sequence[float], orders: Sequence[Hashable], sampling: Sequence[float]) -> Spread:
    """Variance components by the method of moments (one-way analysis of variance), negative ones set to zero.

    ``sampling`` are the standard errors of the values by the pictures that were drawn. Runs of one order differ by
    training and sampling, orders by that and their own effect: Var(mean of order) = order² + within / (runs per order).
    Runs without a value (NaN) are left out.
    """
    grouped: dict[Hashable, list[float]] = defaultdict(list)
    for value, order in zip(values, orders, strict=True):
        if not np.isnan(value):
            grouped[order].append(value)
    groups = [np.array(g) for g in grouped.values()]
    seen = [error for error in sampling if not np.isnan(error)]
    drawn = float(np.mean(np.square(seen))) if seen else float("nan")
    within = pooled_variance(groups)
    means = np.array([g.mean() for g in groups])
    share = float(np.mean([1 / len(g) for g in groups])) if groups else float("nan")
    between = float(means.var(ddof=1)) - within * share if len(means) > 1 else float("nan")
    return Spread(_root(between), _root(within - drawn), _root(drawn))


def _root(variance: float) -> float:
    return float(np.sqrt(max(variance, 0.0))) if not np.isnan(variance) else float("nan")
