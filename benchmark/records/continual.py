"""Summaries of the matrix R[i, j]: the metric on concept j of the model after task i. numpy only.

``R`` has shape (T + 1, T): row 0 is the base model before any task; tasks are rows 1 to T, and column j is the
concept of task j + 1. Cells that were not measured are NaN and are left out of every mean. ``higher``: whether
higher values are better. Forgetting and intransigence are positive when worse, transfers are positive when better.

There are several definitions of forgetting: avalanche takes the value right after learning (:func:`forgetting_last`),
Chaudhry et al. the best before the end (:func:`forgetting_max`), mammoth the best including the end, which is never
negative (:func:`forgetting_clipped`), others include the last task (:func:`forgetting_all`). Name the one you report.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def _sign(higher: bool) -> float:
    return 1.0 if higher else -1.0


def _mean(values: Matrix) -> float:
    seen = [v for v in values.tolist() if v == v]  # about ten numbers, for which numpy takes three times as long
    return sum(seen) / len(seen) if seen else float("nan")


def learned(r: Matrix) -> Matrix:
    """R[j, j], each concept right after its own task; shape (T,)."""
    return r.diagonal(-1)


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


def forgetting_clipped(r: Matrix, *, higher: bool) -> float:
    """mean_{j<T} (best_{j<=l<=T} R[l, j] - R[T, j]), never negative (as in mammoth, without its padding by zeros).

    NaN for a concept that was measured after the last task only.
    """
    s = _sign(higher) * r
    drops = np.array([_best(s[j + 1 : -1, j]) - s[-1, j] for j in range(r.shape[1] - 1)])
    return _mean(np.maximum(drops, 0.0))


def forgetting_all(r: Matrix, *, higher: bool) -> float:
    """mean_{j<=T} (R[j, j] - R[T, j]): :func:`forgetting_last` with the zero of the last task averaged in."""
    return _mean(_sign(higher) * (learned(r) - r[-1]))


def forward_transfer(r: Matrix, *, higher: bool) -> float:
    """mean_{j>1} (R[j-1, j] - R[0, j]): how much earlier tasks help a concept before its own (Lopez-Paz, 2017).

    + is better. NaN unless measured under the protocol "full".
    """
    return _mean(_sign(higher) * np.array([r[j, j] - r[0, j] for j in range(1, r.shape[1])]))


def intransigence(r: Matrix, alone: Matrix, *, higher: bool) -> float:
    """mean_j (alone[j, j] - R[j, j]): how much less is learned in order to keep the past (Chaudhry et al., 2018).

    ``alone`` is the matrix of the same concepts each learned from the base model (method ``independent``).
    """
    return _mean(_sign(higher) * (learned(alone) - learned(r)))


def backward_transfer(r: Matrix, *, higher: bool) -> float:
    """Minus :func:`forgetting_last`: + means that later tasks helped earlier ones (Lopez-Paz, 2017)."""
    return -forgetting_last(r, higher=higher)
