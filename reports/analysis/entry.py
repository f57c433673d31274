"""What a report keeps of a record: matrices and costs. Records are read one at a time, so that many fit in memory."""

from __future__ import annotations

import gc
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...benchmark.records.continual import Matrix
from ...benchmark.records.folders import Folders, folders
from ...benchmark.records.reading import OnFault, unheard
from ...benchmark.records.result import Result, Run, Score, TaskCost
from ...benchmark.records.unmeasured import unmeasured
from .pairs import PairScores, pair_scores

Stack = NDArray[np.float64]
"""Matrices of several metrics, stacked along the first axis."""

_OF_PICTURES = ("identity", "image_align", "mmd", "text_align")  # each is measured on all pictures of a cell
_KEPT_FIGURES = ("change", "fisher.", "fisher_dc.", "gradient.")  # plots over many runs need these


@dataclass(frozen=True, slots=True)
class Entry:
    """One record, digested.

    ``cells``: R of shape (T + 1, T) by metric, NaN where nothing was measured; ``errors``: the standard error of each
    cell over its prompts and pictures; ``prior``: the prior after each task, (T + 1,); ``ceilings``: held-out real
    pictures, mean over concepts; ``confusion``: after i tasks, the share of real pictures of the concept of a row that
    the model takes for that of a column, both in the order in which they were taught. ``pairs``: what pictures of two
    concepts show, where there are any. ``strip``: small pictures of the run that are kept beside its record
    (:mod:`..strips`), where there are any. ``shipped``: whether the record came with cpbench and is shown beside runs
    of the user's own.
    """

    run: Run
    status: str
    error: str | None
    created: str
    environment: dict[str, Any]
    units: dict[str, str]
    code: dict[str, str]
    cells: dict[str, Matrix]
    errors: dict[str, Matrix]
    prior: dict[str, NDArray[np.float64]]
    ceilings: dict[str, float]
    higher: dict[str, bool]
    confusion: dict[int, Matrix]
    pairs: PairScores | None
    drawn: tuple[int, ...]
    prompts: int
    cost: tuple[TaskCost, ...]
    strip: Path | None
    shipped: bool = False

    @property
    def key(self) -> str:
        """A name for files that no other entry of a report has: a run may be shipped, and made here too."""
        return f"{self.run.id}-shipped" if self.shipped else self.run.id

    @property
    def unmeasured(self) -> dict[str, list[str]]:
        """The metrics of its profile that were not measured, by what they need."""
        return unmeasured(self.run.profile, self.cells)

    @property
    def order(self) -> tuple[str, ...]:
        """The concepts in the order taught."""
        return tuple(self.run.order)

    @property
    def tasks(self) -> int:
        """T, the number of concepts."""
        return len(self.run.order)

    def matrix(self, metric: str) -> Matrix:
        """R of a metric; all NaN where it was not measured."""
        return self.cells[metric] if metric in self.cells else np.full((self.tasks + 1, self.tasks), np.nan)


def entry_of(result: Result, strip: Path | None = None, *, shipped: bool = False) -> Entry:
    """What a report keeps of one record."""
    last = len(result.run.order)
    drawn = [s for s in result.scores if s.source == "model" and s.other is None]
    metrics = list(dict.fromkeys(s.metric for s in drawn))
    means, errors, counts = _cells(drawn, metrics, last)
    return Entry(
        run=result.run,
        status=result.status,
        error=result.error,
        created=result.created,
        environment=result.environment,
        units=result.units,
        code=result.code,
        cells={metric: means[k, :, 1:] for k, metric in enumerate(metrics)},
        errors={metric: errors[k, :, 1:] for k, metric in enumerate(metrics)},
        prior={metric: means[k, :, 0] for k, metric in enumerate(metrics) if not np.isnan(means[k, :, 0]).all()},
        ceilings=_ceilings(result),
        higher={s.metric: s.higher_is_better for s in drawn},
        confusion=_confusion(result),
        pairs=pair_scores(result),
        drawn=_pictures(counts, metrics),
        prompts=max((s.prompt for s in drawn if s.prompt is not None), default=-1) + 1,
        cost=tuple(_with_few_figures(c) for c in result.cost),
        strip=strip,
        shipped=shipped,
    )


def failure(failed: Result | Entry) -> str:
    """One line on a failed run: which it is, and why it failed."""
    return f"{failed.run.method}, {failed.run.suite}, seed {failed.run.seed}: {failed.error}"


@contextmanager
def uncollected() -> Iterator[None]:
    """Without garbage collection: what is made here lives to the end, and searching it takes a quarter of the time."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def entries(where: Folders | Path, on_fault: OnFault = unheard) -> Iterator[tuple[Path, Entry]]:
    """The sound records below some folders, one by one, own ones first; ``on_fault`` is called for others."""
    for path, result, shipped in folders(where).pairs(on_fault):
        strip = path.with_suffix(".webp")
        yield path, entry_of(result, strip if strip.exists() else None, shipped=shipped)


def entries_of(results: Iterable[Result]) -> list[Entry]:
    """Entries of records that are in memory."""
    return [entry_of(result) for result in results]


def _cells(scores: list[Score], metrics: list[str], last: int) -> tuple[Stack, Stack, Stack]:
    """Means, standard errors and numbers of pictures of all cells: (metrics, T + 1, T + 1), the prior in column 0.

    The standard error of a cell is the one in its record, or else that over its prompts; NaN for a single value.
    """
    shape = (len(metrics), last + 1, last + 1)
    size, places = math.prod(shape), {metric: k for k, metric in enumerate(metrics)}
    at = np.array([(places[s.metric] * (last + 1) + s.i) * (last + 1) + s.j for s in scores], dtype=np.int64)
    values = np.array([s.value for s in scores], dtype=np.float64)
    rows = np.bincount(at, minlength=size)
    with np.errstate(invalid="ignore", divide="ignore"):
        means: Stack = np.bincount(at, values, size) / rows
        errors: Stack = np.sqrt(np.bincount(at, np.square(values - means[at]), size) / (rows - 1) / rows)
    errors[rows < 2] = np.nan
    for place, s in zip(at, scores, strict=True):
        if s.se is not None:
            errors[place] = s.se
    counts = np.bincount(at, np.array([s.n for s in scores], dtype=np.float64), size).astype(np.float64)
    return means.reshape(shape), errors.reshape(shape), counts.reshape(shape)


def _ceilings(result: Result) -> dict[str, float]:
    real: dict[str, list[float]] = defaultdict(list)
    for s in result.scores:
        if s.source == "real":
            real[s.metric].append(s.value)
    return {metric: float(np.mean(values)) for metric, values in real.items()}


def _pictures(counts: Stack, metrics: list[str]) -> tuple[int, ...]:
    """How many pictures the cells of concepts hold, by the first of :data:`_OF_PICTURES` that was measured."""
    metric = next((name for name in _OF_PICTURES if name in metrics), None)
    found = counts[metrics.index(metric)] if metric else counts.max(axis=0, initial=0)
    return tuple(sorted({int(n) for n in found[:, 1:].ravel() if n}))


def _confusion(result: Result) -> dict[int, Matrix]:
    places, found = {name: k for k, name in enumerate(result.run.order)}, dict[int, Matrix]()
    for s in result.scores:
        if s.metric in ("dc_accuracy", "dc_confusion") and s.source == "model":
            r = found.setdefault(s.i, np.full((len(places), len(places)), np.nan))
            a, b = places[s.concept], places[s.other or s.concept]
            r[a] = np.where(np.isnan(r[a]), 0.0, r[a])
            r[a, b] = s.value
    return found


def _with_few_figures(cost: TaskCost) -> TaskCost:
    kept = {intern(k): v for k, v in cost.figures.items() if k.startswith(_KEPT_FIGURES)}  # the same in every record
    return cost.model_copy(update={"figures": kept})


def matrix(result: Entry, metric: str) -> Matrix:
    """R of shape (T + 1, T): row i after task i, row 0 the base model; NaN where nothing was measured."""
    return result.matrix(metric)


FLOOR, CEILING = "floor: base model", "ceiling: real pictures"
"""What :func:`floor` and :func:`ceiling` are called wherever they are shown."""


def ceiling(result: Entry, metric: str) -> float:
    """The metric of held-out real pictures, mean over concepts; NaN where there are none."""
    return result.ceilings.get(metric, float("nan"))


def floor(result: Entry, metric: str) -> float:
    """The metric of the base model before any task, mean over concepts; NaN where it was not measured."""
    row = result.matrix(metric)[0]
    return float(np.mean(row[~np.isnan(row)])) if (~np.isnan(row)).any() else float("nan")


def mean_of(of: Callable[[Entry, str], float], results: Iterable[Entry], metric: str) -> float:
    """The mean of a number over the runs that have it; NaN where none does."""
    seen = [value for r in results if not np.isnan(value := of(r, metric))]
    return float(np.mean(seen)) if seen else float("nan")


def mean_matrix(results: Sequence[Entry], metric: str) -> Matrix:
    """Mean of R over runs by position in the order; NaN where no run measured."""
    stack = np.stack([matrix(r, metric) for r in results])
    seen = (~np.isnan(stack)).sum(axis=0)
    total = np.nansum(stack, axis=0)
    return np.where(seen > 0, total / np.maximum(seen, 1), np.nan)


def in_between(r: Matrix) -> bool:
    """Whether cells between a concept's own task and the last one were measured, as under the protocol "full"."""
    middle = r[1:-1].copy()
    np.fill_diagonal(middle, np.nan)
    return bool((~np.isnan(middle)).any())
