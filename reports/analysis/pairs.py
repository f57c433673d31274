"""What the pictures of two concepts of a run show: shares by pair and by state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...benchmark.records.continual import Matrix
from ...benchmark.records.result import Result, Score
from ...benchmark.records.unmeasured import OUTCOMES

OTHER = "other"
"""What is left of 1 when all outcomes are taken away."""
SHARES = (*OUTCOMES, OTHER, "multi_nouns")
OF_PAIRS = (*SHARES, "multi_align")
"""All metrics of pairs."""


@dataclass(frozen=True, slots=True)
class PairScores:
    """Of one run: ``values`` of shape (T + 1, P) by name of :data:`OF_PAIRS`, NaN where nothing was measured.

    Row i is after i tasks. ``names`` are those of the P pairs; ``counts`` (T + 1, P) the numbers of their pictures;
    ``real`` the values of real pictures, mean over pairs.
    """

    names: tuple[str, ...]
    values: dict[str, Matrix]
    counts: NDArray[np.int64]
    real: dict[str, float]

    def mean(self, share: str, i: int) -> float:
        """The mean of a metric over the pairs that were measured after ``i`` tasks; NaN without any."""
        row = self.values[share][i] if share in self.values else np.array([])
        seen = row[~np.isnan(row)]
        return float(seen.mean()) if seen.size else float("nan")


def pair_scores(result: Result) -> PairScores | None:
    """The scores of the pairs of a record; None where none was measured."""
    rows = [s for s in result.scores if "+" in s.concept and s.metric in OF_PAIRS]
    names = tuple(dict.fromkeys(s.concept for s in rows if s.source == "model"))
    if not names:
        return None
    shape, drawn = (len(result.run.order) + 1, len(names)), [s for s in rows if s.source == "model"]
    values, counts = dict[str, Matrix](), np.zeros(shape, np.int64)
    for metric in dict.fromkeys(s.metric for s in drawn):
        total, counts = np.zeros(shape), np.zeros(shape, np.int64)
        for s in (s for s in drawn if s.metric == metric):
            place = s.i, names.index(s.concept)
            total[place] += s.n * s.value
            counts[place] += s.n
        values[metric] = np.divide(total, counts, out=np.full(shape, np.nan), where=counts > 0)
    if all(metric in values for metric in OUTCOMES):
        values[OTHER] = np.clip(1 - np.sum([values[metric] for metric in OUTCOMES], axis=0), 0, 1)
    return PairScores(names, values, counts, _real([s for s in rows if s.source == "real"]))


def _real(rows: Sequence[Score]) -> dict[str, float]:
    found = {m: float(np.mean([s.value for s in rows if s.metric == m])) for m in {s.metric for s in rows}}
    if all(metric in found for metric in OUTCOMES):
        found[OTHER] = max(0.0, 1 - sum(found[metric] for metric in OUTCOMES))
    return found
