"""Every metric under every named summary, with its interval and where its spread comes from."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..benchmark import continual
from ..benchmark.continual import Matrix
from ..benchmark.results import Result
from .stats import Estimate, Spread, estimate, spread
from .tidy import Board, by_method, matrix, order_of

SUMMARIES: dict[str, Callable[[Matrix, bool], float]] = {
    "average": lambda r, higher: continual.average(r),
    "plasticity": lambda r, higher: continual.plasticity(r),
    "forgetting_last": lambda r, higher: continual.forgetting_last(r, higher=higher),
    "forgetting_max": lambda r, higher: continual.forgetting_max(r, higher=higher),
    "forgetting_clipped": lambda r, higher: continual.forgetting_clipped(r, higher=higher),
    "forgetting_all": lambda r, higher: continual.forgetting_all(r, higher=higher),
    "backward_transfer": lambda r, higher: continual.backward_transfer(r, higher=higher),
    "forward_transfer": lambda r, higher: continual.forward_transfer(r, higher=higher),
}


@dataclass(frozen=True)
class Summary:
    """One number of a method; ``spread`` says how orders, training seeds and drawn pictures move it."""

    method: str
    metric: str
    name: str
    estimate: Estimate
    spread: Spread


def summaries(board: Board) -> Iterator[Summary]:
    """All that were measured, by method, metric and name; what needs cells that no run has is left out."""
    runs = by_method(board.results)
    alone = {(order_of(r), r.run.seed): r for r in runs.get("independent", [])}
    for method, results in runs.items():
        for metric, higher in _metrics(results):
            found = {name: partial(_of_matrix, of, metric, higher) for name, of in SUMMARIES.items()}
            found["intransigence"] = partial(_intransigence, alone, metric, higher)
            found["prior"] = partial(of_prior, metric=metric)
            for name, of in found.items():
                values = [of(r) for r in results]
                if not np.isnan(values).all():
                    yield _summary(method, metric, name, results, values)


def _summary(method: str, metric: str, name: str, results: Sequence[Result], values: Sequence[float]) -> Summary:
    orders = [order_of(r) for r in results]
    drawn = [sampling_error(r, metric) for r in results] if name == "average" else []
    return Summary(method, metric, name, estimate(values, orders), spread(values, orders, drawn))


def _metrics(results: Sequence[Result]) -> list[tuple[str, bool]]:
    """Metrics of model pictures and whether higher is better."""
    seen = {(s.metric, s.higher_is_better) for r in results for s in r.scores if s.source == "model" and not s.other}
    return sorted(seen)


def _of_matrix(of: Callable[[Matrix, bool], float], metric: str, higher: bool, result: Result) -> float:
    return of(matrix(result, metric), higher)


def _intransigence(
    alone: dict[tuple[tuple[str, ...], int], Result], metric: str, higher: bool, result: Result
) -> float:
    """Against the run of ``independent`` of the same order and seed; NaN where there is none."""
    other = alone.get((order_of(result), result.run.seed))
    if other is None:
        return float("nan")
    return continual.intransigence(matrix(result, metric), matrix(other, metric), higher=higher)


def of_prior(result: Result, metric: str) -> float:
    """The metric of pictures of things never personalised, after the last task; NaN where it was not measured."""
    last = len(result.run.order)
    values = [s.value for s in result.scores if (s.source, s.metric, s.i, s.j) == ("model", metric, last, 0)]
    return float(np.mean(values)) if values else float("nan")


def sampling_error(result: Result, metric: str) -> float:
    """The standard error of the average by the pictures drawn: of each cell by its prompts, then over cells."""
    last = len(result.run.order)
    cells: dict[int, list[float]] = {}
    known: dict[int, float] = {}
    for s in result.scores:
        if (s.source, s.metric, s.i) == ("model", metric, last) and s.j:
            cells.setdefault(s.j, []).append(s.value)
            known |= {s.j: s.se} if s.se is not None else {}
    errors = [known.get(j, _standard_error(v)) for j, v in cells.items()]
    return float(np.sqrt(np.square(errors).sum()) / len(errors)) if errors else float("nan")


def _standard_error(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def to_csv(boards: Sequence[Board]) -> str:
    """One row a method, metric and summary, unrounded; spreads are standard deviations."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = ["order", "training", "sampling"]
    shared = list(boards[0].conditions)
    told = ["method", "metric", "summary", "value", "low", "high", "runs"]
    writer.writerow([*shared, *told, *(f"sd_{n}" for n in names)])
    for board in boards:
        for s in summaries(board):
            low, high = s.estimate.interval or ("", "")
            parts = [v if not np.isnan(v := getattr(s.spread, name)) else "" for name in names]
            row = [s.method, s.metric, s.name, repr(s.estimate.value), low, high, s.estimate.n, *parts]
            writer.writerow([*board.conditions.values(), *row])
    return out.getvalue()
