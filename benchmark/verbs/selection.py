"""How tuning compares settings: the objective with its standard error, the better half, and the best.

``x`` is the objective of one run by trial t, run k of a suite and suite s: an array of shape (T, n, S), a share from 0
to 1, NaN where it was not measured. All trials have the same runs: the same concepts, order and seed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def standard_error(x: Values) -> float | None:
    """The standard error of one trial's mean over suites of its mean over runs; ``x`` has the shape (n, S).

    √(Σ_s v_s / n) / S, where v_s is the variance (n − 1) over the runs of suite s: the suites are those of interest,
    not a sample. None for one run per suite.
    """
    n, suites = x.shape
    return None if n < 2 else float(np.sqrt(np.sum(np.var(x, axis=0, ddof=1)) / n) / suites)


def error_of_difference(x: Values) -> float | None:
    """The standard error of the difference of two trials' means, in pairs of the same run; ``x``: (T, n, S).

    √(2 σ² / (n S)), where σ² is what is left of the variance after the means of each trial and of each run are taken
    out in each suite, Σ r² / ((T − 1)(n − 1) S): pooled over trials, since two runs per suite say little of one pair.
    None for one trial or one run per suite.
    """
    trials, n, suites = x.shape
    if trials < 2 or n < 2:
        return None
    r = x - x.mean(axis=1, keepdims=True) - x.mean(axis=0, keepdims=True) + x.mean(axis=(0, 1), keepdims=True)
    return float(np.sqrt(2 * np.sum(r**2) / ((trials - 1) * (n - 1) * suites) / (n * suites)))


def better_half(values: Sequence[float], always: Collection[int]) -> list[int]:
    """The places of the better half of some values, of two at least, and of those ``always`` kept; NaN is never kept.

    The first of equals comes first.
    """
    there = [k for k, value in enumerate(values) if not np.isnan(value)]
    best = sorted(there, key=lambda k: -values[k])[: max(2, (len(values) + 1) // 2)]
    return sorted({*best, *(k for k in always if k in there)})


def best_of(values: Sequence[float], error: float | None, barred: Collection[int] = ()) -> int | None:
    """The place of the best value; the first, of what stands, unless another is better by more than ``error``.

    NaN and what is ``barred`` are never the best; the first of equals is. None where nothing is left.
    """
    seen = [k for k, value in enumerate(values) if not np.isnan(value) and k not in barred]
    best = max(seen, key=lambda k: values[k], default=None)
    stays = 0 in seen and best is not None and values[best] - values[0] <= (error or 0.0)
    return 0 if stays else best


def gentlest_of(learned: Sequence[float], kept: Sequence[float], error: float | None) -> int | None:
    """The place of the best in ``kept`` of all that are within ``error`` of the best in ``learned``.

    The one-standard-error rule (Breiman et al., Classification and regression trees, 1984, section 3.4.3). NaN is never
    chosen; the first of equals is. None where nothing is left.
    """
    seen = [k for k, value in enumerate(learned) if not np.isnan(value)]
    enough = max((learned[k] for k in seen), default=0.0) - (error or 0.0)
    return max((k for k in seen if learned[k] >= enough), key=lambda k: kept[k], default=None)
