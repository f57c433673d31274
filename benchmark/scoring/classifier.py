"""The diffusion classifier (Li et al., arXiv 2303.16203): assigns a real picture to one of the learned concepts.

It measures forgetting without sampling. A picture is classified as the candidate whose prompt has the smallest
noise-prediction error, over evenly spaced timesteps (stratified) and with the same noise for all candidates. After
each round the worse part of the candidates is dropped (:func:`rounds`). For n pictures and k candidates this costs
TRIALS · n · (k + ⌈k/2⌉) forward passes up to k = :data:`HEAT`, and n · (k + 2 · HEAT) for more (:func:`questions`).

How sure it is follows from the errors of the one timestep that all candidates are asked at (:func:`log_odds`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..protocol import Pictures, Prompt, Question

ROUNDS, TRIALS = 2, 2
"""The number of rounds, and of timesteps per round."""
HEAT = 12
"""Of more candidates than this, one timestep picks this many for the rounds."""
MIDDLE = 625
"""The timestep of the first round that is nearer to the middle: all candidates are asked at it, however many."""
TEMPERATURE = 0.05
"""τ of the margin: one value for all methods, whatever temperature they learn with."""
PICTURES, MOST = 8, 160
"""The number of held-out pictures per concept, and of all concepts together.

Up to 20 concepts have 8 each. Of more, as many pictures as the limit are taken evenly from the concepts, so that the
cost of a state is linear in the number of concepts. Against 8 pictures of each of k concepts, an accuracy p then has no
bias, and a standard error of √(p (1 − p) (1/160 − 1/(8k))) at most.
"""
MOST_BARE = 36
"""The same limit for bare prompts, so that they add little to the cost of a run: 6 pictures of each of 6 concepts."""


def _pictures(k: int, *, bare: bool) -> int:
    """How many pictures of ``k`` concepts are classified in all."""
    return min(MOST_BARE if bare else MOST, PICTURES * k)


def picked(there: Sequence[int], *, bare: bool = False) -> list[list[int]]:
    """Which held-out pictures of each concept are classified, where there are so many: indices in ascending order.

    :data:`PICTURES` of each, or fewer where these would be too many in all. Each concept goes on where the one before
    it ended: the same pictures of all concepts, rendered alike, may be harder than others.
    """
    k, found = len(there), []
    total = _pictures(k, bare=bare)
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
    found = [(first, -(-entered // 2))] if k <= HEAT else [([MIDDLE], HEAT), (first[:-1], -(-HEAT // 2))]
    for times in others:
        found.append((times, -(-found[-1][1] // 2)))
    return [*found[:-1], (found[-1][0], 1)]


def questions(k: int, *, bare: bool = False) -> int:
    """The number of forward passes that it takes to classify among ``k`` concepts."""
    stages, pictures = rounds(k), _pictures(k, bare=bare)
    entering = [k, *(left for _, left in stages)]
    return sum(len(times) * n for (times, _), n in zip(stages, entering, strict=False)) * pictures


def all_questions(k: int, forms: Sequence[bool]) -> int:
    """The number of passes for several forms of the prompts, bare or not, with those of :func:`alike` between forms."""
    return sum(questions(k, bare=bare) for bare in forms) + 2 * k * (len(forms) - 1)


class Answers(NamedTuple):
    """Of n pictures and k candidates: the candidate found, (n,), and the errors of all at :data:`MIDDLE`, (n, k)."""

    found: NDArray[np.int64]
    errors: NDArray[np.float64]


def classify(explain: Explain, pictures: Pictures, prompts: Sequence[Prompt]) -> Answers:
    """The index into ``prompts`` with the least noise-prediction error, for pictures (n, h, w, 3).

    Raises ValueError where an error is not finite.
    """
    n, k = len(pictures), len(prompts)
    total, errors, left = np.zeros((n, k)), np.zeros((n, k)), np.ones((n, k), dtype=bool)
    for times, most in rounds(k):
        asked = [(i, c, t) for i in range(n) for t in times for c in np.flatnonzero(left[i]).tolist()]
        found = explain(pictures, [Question(i, prompts[c], t, 1000 * i + t) for i, c, t in asked])
        if not np.isfinite(found).all():  # the least of several NaN would be the first candidate
            raise ValueError("the noise-prediction errors of the model are not finite")
        np.add.at(total, tuple(np.array([(i, c) for i, c, _ in asked]).T), found)
        if MIDDLE in times:  # asked in the order of pictures, and at one timestep of candidates
            errors = found[[t == MIDDLE for _, _, t in asked]].reshape(n, k)
        left = _best(np.where(left, total, np.inf), most)
    return Answers(np.asarray(np.where(left, total, np.inf).argmin(axis=1)), errors)


def _best(total: NDArray[np.float64], kept: int) -> NDArray[np.bool_]:
    """Marks the ``kept`` smallest entries of each row (n, k)."""
    return np.asarray(total.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable") < kept)


def confusion(truth: Sequence[int], found: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """The confusion matrix (k, k): how many pictures of concept a (row) were classified as b (column); n may be 0."""
    table = np.zeros((k, k), dtype=np.int64)
    np.add.at(table, (np.asarray(truth, dtype=np.int64), found), 1)  # an empty list would become floats
    return table


def log_odds(errors: NDArray[np.float64], truth: Sequence[int]) -> NDArray[np.float64]:
    """The log-odds log P − log(1 − P) of each picture's true concept, (n,): positive where P > 1/2.

    P = softmax(−e / (ē τ)) over the k ≥ 2 candidates' errors e (n, k), with τ = :data:`TEMPERATURE` and ē their mean:
    the scores of the DC-based methods (arXiv 2410.00700). At chance, P = 1/k, it is −log(k − 1).
    """
    mean = errors.mean(axis=1, keepdims=True)
    scores = -errors / (TEMPERATURE * np.where(mean > 0, mean, 1.0))  # errors of 0 are equal
    own = np.arange(errors.shape[1]) == np.asarray(truth, dtype=np.int64)[:, None]
    others = np.logaddexp.reduce(np.where(own, -np.inf, scores), axis=1)
    return np.asarray(scores[own] - others)


def alike(explain: Explain, pictures: Pictures, one: Sequence[Prompt], other: Sequence[Prompt]) -> bool:
    """Whether a model reads two lists of prompts as the same texts: then their errors are equal to the last bit."""
    a, b = (explain(pictures[:1], [Question(0, p, MIDDLE, MIDDLE) for p in prompts]) for prompts in (one, other))
    return np.array_equal(a, b)


def rows(names: Sequence[str], truth: Sequence[int], answers: Answers, *, bare: bool) -> Iterator[dict[str, Any]]:
    """The rows (concept, metric, value, n, se) of pictures of the concepts ``truth``, (n,), classified among ``names``.

    Accuracy and margin (mean log-odds, for two or more concepts) of each concept that has pictures; and which others
    its pictures were taken for, unless ``bare`` (:class:`..protocol.Prompt`), which ends the names of the metrics.
    """
    table, form = confusion(truth, answers.found, len(names)), "_bare" if bare else ""
    odds = log_odds(answers.errors, truth) if len(names) > 1 and truth else np.empty(0)
    for k, (name, counts) in enumerate(zip(names, table.tolist(), strict=True)):
        n, common = sum(counts), {"concept": name, "prompt": None, "higher_is_better": True}
        if not n:  # the concept has no pictures that were not used for training
            continue
        common |= {"n": n}
        yield {**common, "metric": f"dc_accuracy{form}", "value": counts[k] / n}
        if len(odds):
            yield {**common, "metric": f"dc_margin{form}", **_mean(odds[np.asarray(truth) == k])}
        for other, count in zip(names, counts, strict=True):
            if count and other != name and not bare:
                wrong = {"metric": "dc_confusion", "other": other, "value": count / n, "higher_is_better": False}
                yield common | wrong


def _mean(values: NDArray[np.float64]) -> dict[str, float | None]:
    """The mean of values (n,), and its standard error; None for a single one."""
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else None
    return {"value": float(values.mean()), "se": None if error is None else float(error)}
