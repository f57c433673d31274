"""Methods drawn with several strengths of their change, and what they reach at equal text alignment.

A stronger change shows a concept better and follows the rest of the prompt less. Two methods are compared fairly where
their pictures follow prompts equally well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .board import Board, by_method
from .entry import Entry, floor
from .stats import Estimate, estimate
from .values import VALUES

Point = tuple[float, float]
"""Text alignment, and the average by the headline metric; after the last task."""
_Key = tuple[tuple[str, ...], int]


@dataclass(frozen=True)
class Sweep:
    """A row at several strengths: the points of each of its runs, (strengths,) per run, by their order and seed.

    ``strengths``: ascending; the first is 0, the base model.
    """

    row: str
    strengths: tuple[float, ...]
    runs: Mapping[_Key, Sequence[Point]]

    def at(self, k: int) -> tuple[Estimate, Estimate]:
        """Text alignment and average at the k-th strength, over runs."""
        text, value = zip(*(run[k] for run in self.runs.values()), strict=True)
        return self._estimate(text), self._estimate(value)

    def matched(self, level: float) -> tuple[Estimate, Estimate] | None:
        """Strength and average where text alignment is ``level``, over runs; None where a run does not reach it."""
        found = [_crossing(self.strengths, run, level) for run in self.runs.values()]
        if not found or any(point is None for point in found):
            return None
        strengths, values = zip(*(point for point in found if point is not None), strict=True)
        return self._estimate(strengths), self._estimate(values)

    def _estimate(self, values: Sequence[float]) -> Estimate:
        return estimate(values, [order for order, _ in self.runs])


def _crossing(strengths: Sequence[float], run: Sequence[Point], level: float) -> Point | None:
    """The greatest strength at which a run has a text alignment of at least ``level``, and its average there.

    Between measured strengths both are taken to change evenly.
    """
    if run[-1][0] >= level:
        return strengths[-1], run[-1][1]
    for k in range(len(run) - 1, 0, -1):
        (high, strong), (low, weak) = run[k], run[k - 1]
        if high < level <= low:
            share = (low - level) / (low - high)
            return strengths[k - 1] + share * (strengths[k] - strengths[k - 1]), weak + share * (strong - weak)
    return None


def sweeps(board: Board) -> list[Sweep]:
    """The rows of a board that were drawn with other strengths too; runs that have all strengths of their row."""
    found = []
    for row, own in by_method(board.strengths).items():
        runs: dict[_Key, dict[float, Point]] = defaultdict(dict)
        for entry in own:
            points = {0.0: _floor(entry, board.headline), entry.run.strength: _point(entry, board.headline)}
            runs[entry.order, entry.run.seed] |= points
        strengths = sorted({s for points in runs.values() for s in points})
        whole = {key: [points[s] for s in strengths] for key, points in runs.items() if len(points) == len(strengths)}
        whole = {key: points for key, points in whole.items() if np.isfinite(points).all()}
        if len(strengths) > 2 and whole:
            found.append(Sweep(row, tuple(strengths), whole))
    return found


def level_of(found: Sequence[Sweep]) -> tuple[float, str]:
    """The greatest text alignment of a row at its greatest strength, and the row."""
    return max((sweep.at(-1)[0].value, sweep.row) for sweep in found)


def _point(entry: Entry, main: str) -> Point:
    return VALUES["text_align"](entry, main), VALUES["average"](entry, main)


def _floor(entry: Entry, main: str) -> Point:
    return floor(entry, "text_align"), floor(entry, main)
