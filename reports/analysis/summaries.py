"""Every metric under every summary, with its interval and where its spread comes from."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ...benchmark.records import continual
from ...benchmark.records.continual import Matrix
from ...benchmark.records.unmeasured import CLASSIFIED
from .board import SHIPPED, Board
from .entry import Entry, matrix
from .pairs import OF_PAIRS
from .stats import Estimate, Spread, estimate, spread, written

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
    """One number of a method; ``spread``: how much it varies with orders, training seeds and drawn pictures.

    The spread over drawn pictures includes that over prompts, which all runs share: it is an upper bound for sampling
    seeds, and what remains for training seeds a lower bound.
    """

    method: str
    metric: str
    name: str
    estimate: Estimate
    spread: Spread


def summaries(board: Board) -> Iterator[Summary]:
    """All summaries by method, metric and name; those that need cells which no run measured are left out."""
    runs = board.runs
    for method, results in runs.items():
        alone = _alone(board, shipped=results[0].shipped)
        for metric, higher in _metrics(results):
            found = {name: partial(_of_matrix, of, metric, higher) for name, of in SUMMARIES.items()}
            found["intransigence"] = partial(_intransigence, alone, metric, higher)
            found["prior"] = partial(of_prior, metric=metric)
            if metric in OF_PAIRS:
                found = {"average": partial(_of_pairs, metric)}
            elif metric in CLASSIFIED:  # at chance, it falls with the number of concepts learned
                found = {"average": found["average"]}
            for name, of in found.items():
                values = [of(r) for r in results]
                if not np.isnan(values).all():
                    yield _summary(method, metric, name, results, values)


def _alone(board: Board, *, shipped: bool) -> dict[tuple[tuple[str, ...], int], Entry]:
    """The runs of ``independent`` by order and seed; of one that was shipped and made here too, the kind asked for."""
    names = ["independent", f"independent ({SHIPPED})"]
    every = [entry for name in (names if shipped else names[::-1]) for entry in board.runs.get(name, ())]
    return {(r.order, r.run.seed): r for r in every}


def _summary(method: str, metric: str, name: str, results: Sequence[Entry], values: Sequence[float]) -> Summary:
    orders = [r.order for r in results]
    cells = name == "average" and metric not in OF_PAIRS
    drawn = [sampling_error(r, metric) for r in results] if cells else []
    return Summary(method, metric, name, estimate(values, orders), spread(values, orders, drawn))


def _metrics(results: Sequence[Entry]) -> list[tuple[str, bool]]:
    """Metrics of drawn pictures, and whether higher is better."""
    return sorted({item for r in results for item in r.higher.items()})


def _of_matrix(of: Callable[[Matrix, bool], float], metric: str, higher: bool, result: Entry) -> float:
    return of(matrix(result, metric), higher)


def _of_pairs(metric: str, result: Entry) -> float:
    """The mean over all pairs after the last task; NaN where none was measured."""
    return result.pairs.mean(metric, result.tasks) if result.pairs is not None else float("nan")


def _intransigence(alone: dict[tuple[tuple[str, ...], int], Entry], metric: str, higher: bool, result: Entry) -> float:
    """Against the run of ``independent`` of the same order and seed; NaN where there is none."""
    other = alone.get((result.order, result.run.seed))
    if other is None:
        return float("nan")
    return continual.intransigence(matrix(result, metric), matrix(other, metric), higher=higher)


def of_prior(result: Entry, metric: str) -> float:
    """The metric of the prior (pictures of things never personalised) after the last task; NaN if not measured."""
    return float(result.prior[metric][-1]) if metric in result.prior else float("nan")


def sampling_error(result: Entry, metric: str) -> float:
    """The standard error of the average over the drawn pictures: that of each cell, combined over cells."""
    errors = result.errors[metric][-1] if metric in result.errors else np.empty(0)
    seen = errors[~np.isnan(result.matrix(metric)[-1])] if errors.size else errors
    return float(np.sqrt(np.square(seen).sum()) / len(seen)) if len(seen) else float("nan")


def to_csv(boards: Sequence[Board]) -> str:
    """One row per method, metric and summary, unrounded; spreads are standard deviations."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = ["order", "training", "sampling"]
    shared = list(boards[0].conditions)
    own = ["method", "metric", "summary", "value", "low", "high", "runs"]
    writer.writerow([*shared, *own, *(f"sd_{n}" for n in names)])
    for board in boards:
        for s in summaries(board):
            low, high = s.estimate.interval or ("", "")
            parts = [v if not np.isnan(v := getattr(s.spread, name)) else "" for name in names]
            row = [s.method, s.metric, s.name, written(s.estimate), low, high, s.estimate.n, *parts]
            writer.writerow([*board.conditions.values(), *row])
    return out.getvalue()
