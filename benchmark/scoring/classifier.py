"""Diffusion classifier (Li et al., arXiv 2303.16203): which of the learned concepts a model sees in a real picture.

It draws nothing, so it tells forgetting from the model itself. Each picture is asked at evenly spaced timesteps
(stratified), with one noise for all candidates; after each round the worse half of the candidates is dropped
(successive halving): with n pictures and k candidates the cost is TRIALS n (k + ⌈k/2⌉ + …) forward passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..protocol import Pictures, Prompt, Question

ROUNDS, TRIALS = 2, 2
"""Rounds of halving, and timesteps in each."""
PICTURES = 8
"""Held-out pictures of each concept."""

Explain = Callable[[Pictures, Sequence[Question]], NDArray[np.float64]]


def timesteps(steps: int = 1000) -> list[list[int]]:
    """The timesteps of each round: middles of equal parts of [0, steps), dealt in turn so that each round spans it."""
    n = ROUNDS * TRIALS
    middles = [int((k + 0.5) * steps / n) for k in range(n)]
    return [middles[r::ROUNDS] for r in range(ROUNDS)]


def classify(explain: Explain, pictures: Pictures, prompts: Sequence[Prompt]) -> NDArray[np.int64]:
    """The candidate (index into ``prompts``) that explains each picture with the least error, (n,)."""
    n, k = len(pictures), len(prompts)
    total, left = np.zeros((n, k)), np.ones((n, k), dtype=bool)
    for times in timesteps():
        asked = [(i, c, t) for i in range(n) for t in times for c in np.flatnonzero(left[i]).tolist()]
        found = explain(pictures, [Question(i, prompts[c], t, 1000 * i + t) for i, c, t in asked])
        np.add.at(total, tuple(np.array([(i, c) for i, c, _ in asked]).T), found)
        left = _better_half(np.where(left, total, np.inf))
    return np.asarray(np.where(left, total, np.inf).argmin(axis=1))


def _better_half(total: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Of the finite entries of each row (n, k) the smaller half, rounded up."""
    kept = -(-np.isfinite(total).sum(axis=1, keepdims=True) // 2)
    return np.asarray(total.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable") < kept)


def confusion(truth: Sequence[int], found: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """How often a picture of concept a (row) was taken for b (column); (k, k)."""
    table = np.zeros((k, k), dtype=np.int64)
    np.add.at(table, (np.asarray(truth), found), 1)
    return table
