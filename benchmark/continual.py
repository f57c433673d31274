"""Summaries of the matrix R[i, j]: the metric on concept j of the model after task i. numpy only.

``R`` has shape (T + 1, T): row 0 is the base model before any task; tasks are rows 1 to T, and column j is the
concept of task j + 1. Cells never measured are NaN and are left out of every mean. ``higher`` says which
direction is better; every summary except :func:`backward_transfer` and the averages is positive when worse.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def _sign(higher: bool) -> float:
    return 1.0 if higher else -1.0


def _mean(values: Matrix) -> float:
    seen = values[~np.isnan(values)]
    return float(seen.mean()) if seen.size else float("nan")


def learned(r: Matrix) -> Matrix:
    """R[j, j]: each concept right after its own task; shape (T,)."""
    return np.array([r[j + 1, j] for j in range(r.shape[1])])


def average(r: Matrix) -> float:
    """Mean over concepts after the last task: mean_j R[T, j]."""
    return _mean(r[-1])


def plasticity(r: Matrix) -> float:
    """Mean over concepts right after their own task: mean_j R[j, j]."""
    return _mean(learned(r))


def forgetting_last(r: Matrix, *, higher: bool) -> float:
    """mean_{j<T} (R[j, j] - R[T, j]), signed so that + is worse; NaN for one task."""
    return _mean(_sign(higher) * (learned(r) - r[-1])[:-1])


def forgetting_max(r: Matrix, *, higher: bool) -> float:
    """mean_{j<T} (best_{j<=l<T} R[l, j] - R[T, j]), signed so that + is worse (Chaudhry et al., 2018)."""
    s = _sign(higher) * r
    drops = [_best(s[j + 1 : -1, j]) - s[-1, j] for j in range(r.shape[1] - 1)]
    return _mean(np.array(drops))


def _best(values: Matrix) -> float:
    seen = values[~np.isnan(values)]
    return float(seen.max()) if seen.size else float("nan")


def backward_transfer(r: Matrix, *, higher: bool) -> float:
    """Minus :func:`forgetting_last`: + means that later tasks helped earlier ones (Lopez-Paz, 2017)."""
    return -forgetting_last(r, higher=higher)
