"""The diffusion classifier (Li et al., arXiv 2303.16203): assigns a real picture to one of the learned concepts.

It measures forgetting without sampling. A picture is classified as the candidate whose prompt has the smallest
noise-prediction error, over evenly spaced timesteps (stratified) and with the same noise for all candidates. After
each round the worse part of the candidates is dropped (:func:`rounds`). For n pictures and k candidates this costs
TRIALS · n · (k + ⌈k/2⌉) forward passes up to k = :data:`HEAT`, and n · (k + 2 · HEAT) for more (:func:`questions`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..protocol import Pictures, Prompt, Question

ROUNDS, TRIALS = 2, 2
"""The number of rounds, and of timesteps per round."""
HEAT = 12
"""Of more candidates than this, one timestep picks this many for the rounds."""
PICTURES, MOST = 8, 160
"""The number of held-out pictures per concept, and of all concepts together.

Up to 20 concepts have 8 each. Of more, as many pictures as the limit are taken evenly from the concepts, so that the
cost of a state is linear in the number of concepts. Against 8 pictures of each of k concepts, an accuracy p then has no
bias, and a standard error of √(p (1 − p) (1/160 − 1/(8k))) at most.
"""


def picked(there: Sequence[int]) -> list[list[int]]:
    """Which held-out pictures of each concept are classified, where there are so many: indices in ascending order.

    :data:`PICTURES` of each, or fewer where these would be too many in all. Each concept goes on where the one before
    it ended: the same pictures of all concepts, rendered alike, may be harder than others.
    """
    k, found = len(there), []
    total = min(MOST, PICTURES * k)
    ends = [total * j // k for j in range(k + 1)]
    for (begin, end), n in zip(pairwise(ends), there, strict=True):
        of = min(n, PICTURES)
        found.append(sorted((begin + j) % of for j in range(min(end - begin, of))))
    return found


Explain = Callable[[Pictures, Sequence[Question]], NDArray[np.float64]]


def timesteps(steps: int = 1000) -> list[list[int]]:
    """The timesteps of each round: midpoints of equal parts of [0, steps), dealt out so that each round spans it."""
    n = ROUNDS * TRIALS
    middles = [int((k + 0.5) * steps / n) for k in range(n)]
    return [middles[r::ROUNDS] for r in range(ROUNDS)]


def rounds(k: int) -> list[tuple[list[int], int]]:
    """The timesteps of each round, and how many of ``k`` candidates are left after it: one after the last.

    Each round leaves the better half. More candidates than :data:`HEAT` first compete at one timestep of the first
    round: nearer to the middle of the noise than the other, it separates them best.
    """
    first, *others = timesteps()
    entered = min(k, HEAT)
    found = [(first, -(-entered // 2))] if k <= HEAT else [(first[-1:], HEAT), (first[:-1], -(-HEAT // 2))]
    for times in others:
        found.append((times, -(-found[-1][1] // 2)))
    return [*found[:-1], (found[-1][0], 1)]


def questions(k: int) -> int:
    """The number of forward passes that it takes to classify among ``k`` concepts."""
    stages = rounds(k)
    entering = [k, *(left for _, left in stages)]
    return sum(len(times) * n for (times, _), n in zip(stages, entering, strict=False)) * min(MOST, PICTURES * k)


def classify(explain: Explain, pictures: Pictures, prompts: Sequence[Prompt]) -> NDArray[np.int64]:
    """The index into ``prompts`` with the least noise-prediction error, (n,), for pictures (n, h, w, 3).

    Raises ValueError where an error is not finite.
    """
    n, k = len(pictures), len(prompts)
    total, left = np.zeros((n, k)), np.ones((n, k), dtype=bool)
    for times, most in rounds(k):
        asked = [(i, c, t) for i in range(n) for t in times for c in np.flatnonzero(left[i]).tolist()]
        found = explain(pictures, [Question(i, prompts[c], t, 1000 * i + t) for i, c, t in asked])
        if not np.isfinite(found).all():  # the least of several NaN would be the first candidate
            raise ValueError("the noise-prediction errors of the model are not finite")
        np.add.at(total, tuple(np.array([(i, c) for i, c, _ in asked]).T), found)
        left = _best(np.where(left, total, np.inf), most)
    return np.asarray(np.where(left, total, np.inf).argmin(axis=1))


def _best(total: NDArray[np.float64], kept: int) -> NDArray[np.bool_]:
    """Marks the ``kept`` smallest entries of each row (n, k)."""
    return np.asarray(total.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable") < kept)


def confusion(truth: Sequence[int], found: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """The confusion matrix (k, k): how many pictures of concept a (row) were classified as b (column); n may be 0."""
    table = np.zeros((k, k), dtype=np.int64)
    np.add.at(table, (np.asarray(truth, dtype=np.int64), found), 1)  # an empty list would become floats
    return table
