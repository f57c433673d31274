"""What a report keeps of a record: matrices and costs. Records are read one at a time and let go, so that many fit."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..benchmark.continual import Matrix
from ..benchmark.results import Result, Run, Score, TaskCost, iterate_results

_KEPT_FIGURES = ("change", "fisher.", "fisher_dc.")  # what plots over many runs are made of


@dataclass(frozen=True, slots=True)
class Entry:
    """One record.

    ``cells``: R of shape (T + 1, T) by metric, NaN where nothing was measured; ``errors``: the standard error of each
    cell over its prompts and pictures; ``prior``: the prior after each task, (T + 1,); ``ceilings``: held-out real
    pictures, mean over concepts; ``confusion``: after i tasks, the share of real pictures of the concept of a row that
    the model takes for that of a column, both in the order in which they were taught.
    """

    run: Run
    status: str
    error: str | None
    created: str
    environment: dict[str, Any]
    units: dict[str, str]
    cells: dict[str, Matrix]
    errors: dict[str, Matrix]
    prior: dict[str, NDArray[np.float64]]
    ceilings: dict[str, float]
    higher: dict[str, bool]
    confusion: dict[int, Matrix]
    drawn: tuple[int, ...]
    prompts: int
    cost: tuple[TaskCost, ...]

    @property
    def order(self) -> tuple[str, ...]:
        """The concepts in the order in which they were taught."""
        return tuple(self.run.order)

    @property
    def tasks(self) -> int:
        """T, the number of concepts."""
        return len(self.run.order)

    def matrix(self, metric: str) -> Matrix:
        """R of a metric; all NaN where it was not measured."""
        return self.cells[metric] if metric in self.cells else np.full((self.tasks + 1, self.tasks), np.nan)


def entry_of(result: Result) -> Entry:
    """Digest one record."""
    cells: dict[str, dict[tuple[int, int], list[Score]]] = defaultdict(lambda: defaultdict(list))
    real: dict[str, list[float]] = defaultdict(list)
    higher, prompts = dict[str, bool](), -1
    for s in result.scores:
        if s.source == "real":
            real[s.metric].append(s.value)
        elif s.other is None:
            cells[s.metric][s.i, s.j].append(s)
            higher[s.metric] = s.higher_is_better
            prompts = max(prompts, -1 if s.prompt is None else s.prompt)
    last = len(result.run.order)
    shape = (last + 1, last)
    drawn = {s.n for found in (cells["mmd"],) for rows in found.values() for s in rows} if "mmd" in cells else set()
    return Entry(
        run=result.run,
        status=result.status,
        error=result.error,
        created=result.created,
        environment=result.environment,
        units=result.units,
        cells={metric: _matrix(found, shape, _mean) for metric, found in cells.items()},
        errors={metric: _matrix(found, shape, _error) for metric, found in cells.items()},
        prior={metric: row for metric, found in cells.items() if not np.isnan(row := _prior(found, last)).all()},
        ceilings={metric: float(np.mean(values)) for metric, values in real.items()},
        higher=higher,
        confusion=_confusion(result),
        drawn=tuple(sorted(drawn)),
        prompts=prompts + 1,
        cost=tuple(_with_few_figures(c) for c in result.cost),
    )


def entries(folder: Path) -> Iterator[tuple[Path, Entry]]:
    """The records below a folder, one by one."""
    for path, result in iterate_results(folder):
        yield path, entry_of(result)


def entries_of(results: Iterable[Result]) -> list[Entry]:
    """Records that are in memory already."""
    return [entry_of(result) for result in results]


def _matrix(found: dict[tuple[int, int], list[Score]], shape: tuple[int, int], of: Any) -> Matrix:
    r = np.full(shape, np.nan)
    for (i, j), rows in found.items():
        if j:
            r[i, j - 1] = of(rows)
    return r


def _confusion(result: Result) -> dict[int, Matrix]:
    places, found = {name: k for k, name in enumerate(result.run.order)}, dict[int, Matrix]()
    for s in result.scores:
        if s.metric in ("dc_accuracy", "dc_confusion") and s.source == "model":
            r = found.setdefault(s.i, np.full((len(places), len(places)), np.nan))
            a, b = places[s.concept], places[s.other or s.concept]
            r[a] = np.where(np.isnan(r[a]), 0.0, r[a])
            r[a, b] = s.value
    return found


def _prior(found: dict[tuple[int, int], list[Score]], last: int) -> NDArray[np.float64]:
    return np.array([_mean(found[i, 0]) if (i, 0) in found else np.nan for i in range(last + 1)])


def _mean(rows: list[Score]) -> float:
    return sum(s.value for s in rows) / len(rows)


def _error(rows: list[Score]) -> float:
    """The standard error of a cell: its own where it tells one, else over its prompts; NaN for one value."""
    told = [s.se for s in rows if s.se is not None]
    if told:
        return told[-1]
    n, mean = len(rows), _mean(rows)
    return math.sqrt(sum((s.value - mean) ** 2 for s in rows) / (n - 1) / n) if n > 1 else float("nan")


def _with_few_figures(cost: TaskCost) -> TaskCost:
    kept = {k: v for k, v in cost.figures.items() if k == _KEPT_FIGURES[0] or k.startswith(_KEPT_FIGURES[1:])}
    return cost.model_copy(update={"figures": kept})
