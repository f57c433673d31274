"""How well the models classify real pictures (the diffusion classifier): a table beside each leaderboard."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...benchmark.records import continual
from ...benchmark.records.unmeasured import CLASSIFIED
from ..analysis.board import Board, Line
from ..analysis.entry import FLOOR, Entry, floor, matrix, mean_of
from ..analysis.stats import Estimate, estimate
from ..analysis.units import titled, unit_of
from .columns import Column

SATURATED = 0.95
"""Where all methods and the base model classify more than this share correctly, accuracy separates nothing."""


@dataclass(frozen=True)
class Classified:
    """The table: columns, rows in the order of the leaderboard with bounds below, and sentences on how to read it."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


def classified(board: Board) -> Classified | None:
    """The classification of real pictures after the last task, by method; None where no method classified any."""
    results = board.results
    measured = [metric for metric in CLASSIFIED if any(metric in e.cells for e in results)]
    rows = [
        Line(x.method, x.bound, _means(board.runs[x.method], measured)) for x in board.lines if x.method in board.runs
    ]
    rows = [line for line in rows if not all(math.isnan(e.value) for e in line.values.values())]
    if not rows:
        return None
    base = {metric: _known(mean_of(floor, results, metric)) for metric in measured}
    full = saturated([line.values["dc_accuracy"].value for line in rows], base["dc_accuracy"].value)
    lines = (*rows, Line(FLOOR, "floor", base), *_limits(board.tasks, measured))
    return Classified(tuple(_column(m, full=full) for m in measured), lines, tuple(_notes(board, measured, full=full)))


def saturated(averages: Sequence[float], base: float) -> bool:
    """Whether accuracies of methods and of the base model, in 0 to 1, all lie above :data:`SATURATED`; not for NaN."""
    return all(value > SATURATED for value in (*(v for v in averages if not math.isnan(v)), base))


def chance(metric: str, concepts: int) -> float:
    """The value of a metric for guesses among some concepts: 1/k, or log-odds of −log(k − 1); NaN for one concept."""
    if "margin" in metric:
        return 0.0 - math.log(concepts - 1) if concepts > 1 else math.nan  # no minus zero
    return 1 / concepts


def _means(runs: Sequence[Entry], measured: Sequence[str]) -> dict[str, Estimate]:
    orders = [e.order for e in runs]
    return {m: estimate([continual.average(matrix(e, m)) for e in runs], orders) for m in measured}


def _known(value: float) -> Estimate:
    return Estimate(value, None, 1)


def _limits(concepts: int, measured: Sequence[str]) -> tuple[Line, Line]:
    """Chance, and the ceiling: all pictures right. A margin has no ceiling."""
    best = {metric: _known(math.nan if "margin" in metric else 1.0) for metric in measured}
    guessed = {metric: _known(chance(metric, concepts)) for metric in measured}
    return Line(f"chance: 1 of {concepts}", "chance", guessed), Line("ceiling: all correct", "ceiling", best)


def _column(metric: str, *, full: bool) -> Column:
    mark = " (saturated)" if full and metric == "dc_accuracy" else ""
    limits = (-math.inf, math.inf) if "margin" in metric else (0.0, 1.0)
    return Column(metric, titled(metric, higher=True) + mark, unit_of(metric).show, max, limits)


def _notes(board: Board, measured: Sequence[str], *, full: bool) -> list[str]:
    k = board.tasks
    among = f"all {k} concepts" if k > 1 else "its only concept"
    found = [
        f"dc_accuracy: share of held-out real pictures that the model itself classifies correctly after the last task, "
        f"among {among}. Chance is {100 / k:.1f} %, and the ceiling 100 %."
    ]
    if full:
        found.append(
            f"It is saturated: all methods, and the base model, which goes by class nouns, lie above "
            f"{100 * SATURATED:.0f} %. It cannot separate methods here."
        )
    if "dc_margin" in measured and k > 1:
        found.append(
            "dc_margin: mean of log P − log(1 − P), where P is the probability that the model gives the right concept. "
            f"It is positive where P is above 1/2, and {chance('dc_margin', k):.2f} at chance. It has no ceiling, and "
            "still separates methods where dc_accuracy is saturated."
        )
    if any(metric.endswith("_bare") for metric in measured):
        found.append(
            "_bare: with prompts that name a concept by its token alone, so that the class noun does not help. The "
            "base model has no tokens."
        )
    return found
