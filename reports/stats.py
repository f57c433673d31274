"""Estimates with intervals over runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap


@dataclass(frozen=True)
class Estimate:
    """A mean over ``n`` runs, with a 95 % interval where there are at least three."""

    value: float
    interval: tuple[float, float] | None
    n: int


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of runs (NaN left out) with its bootstrap interval; none below three runs, where it would mislead."""
    seen = np.array([v for v in values if not np.isnan(v)])
    if not seen.size:
        return Estimate(float("nan"), None, 0)
    mean = float(seen.mean())
    if seen.size < 3:
        return Estimate(mean, None, int(seen.size))
    if np.ptp(seen) == 0:
        return Estimate(mean, (mean, mean), int(seen.size))
    found = bootstrap((seen,), np.mean, n_resamples=9999, method="percentile", rng=np.random.default_rng(0))
    low, high = found.confidence_interval
    return Estimate(mean, (float(low), float(high)), int(seen.size))
