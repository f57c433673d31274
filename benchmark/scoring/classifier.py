"""The diffusion classifier (Li et al., arXiv 2303.16203): assigns a real picture to one of the learned concepts.

It measures forgetting without sampling. A picture is classified as the candidate whose prompt has the smallest
noise-prediction error, over evenly spaced timesteps (stratified) and with the same noise for all candidates. After
each round the worse half of the candidates is dropped (successive halving). For n pictures and k candidates this
costs TRIALS · n · (k + ⌈k/2⌉ + …) forward passes (:func:`questions`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..protocol import Pictures, Prompt, Question

ROUNDS, TRIALS = 2, 2
"""The number of rounds, and of timesteps per round."""
PICTURES, MOST = 8, 96
"""The number of held-out pictures per concept, and of all concepts together.

Up to 12 concepts have 8 each. Of more, as many pictures as the limit are taken evenly from the concepts, so that the
cost of a state is linear in the number of concepts. Against 8 pictures of each of k concepts, an accuracy p then has no
bias, and a standard error of √(p (1 − p) (1/96 − 1/(8k))): at most 4.4 points for k = 50.
"""


def shares(k: int) -> list[int]:
    """The number of pictures of each of ``k`` concepts: :data:`PICTURES`, or fewer where these are too many in all."""
    total = min(MOST, PICTURES * k)
    ends = [total * j // k for j in range(k + 1)]
    return [end - begin for begin, end in pairwise(ends)]


Explain = Callable[[Pictures, Sequence[Question]], NDArray[np.float64]]


def timesteps(steps: int = 1000) -> list[list[int]]:
    """The timesteps of each round: midpoints of equal parts of [0, steps), dealt out so that each round spans it."""
    n = ROUNDS * TRIALS
    middles = [int((k + 0.5) * steps / n) for k in range(n)]
    return [middles[r::ROUNDS] for r in range(ROUNDS)]


def questions(k: int) -> int:
    """The number of forward passes that it takes to classify among ``k`` concepts."""
    left, each = k, 0
    for _ in range(ROUNDS):
        each, left = each + TRIALS * left, -(-left // 2)
    return each * sum(shares(k))


def classify(explain: Explain, pictures: Pictures, prompts: Sequence[Prompt]) -> NDArray[np.int64]:
    """The index into ``prompts`` with the least noise-prediction error, (n,), for pictures (n, h, w, 3).

    Raises ValueError where an error is not finite.
    """
    n, k = len(pictures), len(prompts)
    total, left = np.zeros((n, k)), np.ones((n, k), dtype=bool)
    for times in timesteps():
        asked = [(i, c, t) for i in range(n) for t in times for c in np.flatnonzero(left[i]).tolist()]
        found = explain(pictures, [Question(i, prompts[c], t, 1000 * i + t) for i, c, t in asked])
        if not np.isfinite(found).all():  # the least of several NaN would be the first candidate
            raise ValueError("the noise-prediction errors of the model are not finite")
        np.add.at(total, tuple(np.array([(i, c) for i, c, _ in asked]).T), found)
        left = _better_half(np.where(left, total, np.inf))
    return np.asarray(np.where(left, total, np.inf).argmin(axis=1))


def _better_half(total: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Marks the smaller half, rounded up, of the finite entries of each row (n, k)."""
    kept = -(-np.isfinite(total).sum(axis=1, keepdims=True) // 2)
    return np.asarray(total.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable") < kept)


def confusion(truth: Sequence[int], found: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """The confusion matrix (k, k): how many pictures of concept a (row) were classified as b (column); n may be 0."""
    table = np.zeros((k, k), dtype=np.int64)
    np.add.at(table, (np.asarray(truth, dtype=np.int64), found), 1)  # an empty list would become floats
    return table
