"""Charts of the headline metric: after each task where that was measured, else right after learning and at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...benchmark.records import continual
from ...benchmark.records.continual import Matrix
from ..analysis.board import Line, pareto
from ..analysis.entry import CEILING, FLOOR, Entry, ceiling, floor, in_between, mean_matrix, mean_of
from ..analysis.stats import Estimate
from ..analysis.units import label_of
from .cells import BoardPage, Scale
from .scatter import Dot, Interval, scatter
from .svg import SHAPES, Axis, Level, Series, axis, lines

Chart = dict[str, str]
"""A title, and the chart as SVG."""


def learning(runs: Sequence[Entry], metric: str, scale: Scale) -> Chart:
    """Means over runs, on the axis that all methods of the board share."""
    factor, label = label_of(metric)
    r = factor * mean_matrix(runs, metric)
    ends = [factor * f(e, metric) for f in (floor, ceiling) for e in runs]
    y = axis(label, [factor * scale.worst, factor * scale.best, *ends], zero=True)
    names = runs[0].order if len({e.order for e in runs}) == 1 else ()
    series, x = _after_each(r, names) if in_between(r) else _then_and_now(r)
    title = "After each task" if in_between(r) else "Right after learning, and at the end"
    return {"title": title, "svg": lines(f"{metric} of each concept", series, x, y, levels(runs, metric, factor))}


def levels(runs: Sequence[Entry], metric: str, factor: float) -> list[Level]:
    """Floor and ceiling, where they were measured."""
    bounds = {FLOOR: floor, CEILING: ceiling}
    means = {name: factor * mean_of(of, runs, metric) for name, of in bounds.items()}
    return [Level(f"{name}, {value:.3g}", value) for name, value in means.items() if not np.isnan(value)]


def _then_and_now(r: Matrix) -> tuple[list[Series], Axis]:
    tasks = [float(k) for k in range(1, r.shape[1] + 1)]
    own = Series("right after its task", tasks, continual.learned(r).tolist(), 0)
    kept = Series("after the last task", tasks, r[-1].tolist(), 1, dashed=True)
    return [own, kept], Axis("place of the concept in the order", 0.7, len(tasks) + 0.3, whole=True)


def _after_each(r: Matrix, names: Sequence[str]) -> tuple[list[Series], Axis]:
    """One line per concept, from the base model on."""
    after = [float(k) for k in range(len(r))]
    concepts = names or [f"concept {k}" for k in range(1, len(r))]
    series = [Series(name, after, r[:, k].tolist(), k, dashed=k >= SHAPES) for k, name in enumerate(concepts)]
    return series, Axis("after task (0: base model)", -0.3, len(r) - 0.7, whole=True)


@dataclass(frozen=True)
class _Pair:
    """Two columns, one against the other: titles, and how x is drawn."""

    x: str
    y: str
    title: str
    x_label: str
    y_label: str
    x_scale: float = 1.0
    log: bool = False


def fronts(place: BoardPage, rows: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    """Scatter charts of two columns each, with their Pareto fronts; ``rows`` are the lines of the leaderboard."""
    factor, label = label_of(place.board.headline)
    what, average = label.split(" (")[0], f"average {label}"
    pairs = (
        _Pair("forgetting", "plasticity", "Plasticity against forgetting", f"forgetting of {what} (lower is better)",
              f"plasticity of {label}", factor),
        _Pair("train_seconds", "average", "Average against training time", "seconds per task (lower is better)",
              average, log=True),
        _Pair("stored_bytes", "average", "Average against storage", "bytes stored (lower is better)", average,
              log=True),
    )  # fmt: skip
    shown = {row["method"]: row for row in rows if not row["bound"]}
    for pair in pairs:
        if chart := _chart(pair, place, shown, factor):
            yield {"title": pair.title, "svg": chart}


def _chart(pair: _Pair, place: BoardPage, rows: Mapping[str, dict[str, Any]], factor: float) -> str | None:
    """None where fewer than two methods have both columns."""
    rivals = [line for line in place.board.lines if line.competes]
    seen = [line for line in rivals if _has(line.values[pair.x], pair.log) and _has(line.values[pair.y], False)]
    if len(seen) < 2:
        return None
    spots = [(pair.x_scale * line.values[pair.x].value, factor * line.values[pair.y].value) for line in seen]
    best = pareto(spots, smaller_x=True, smaller_y=False)
    dots = [_dot(line, spot, on, pair, factor, rows) for line, spot, on in zip(seen, spots, best, strict=True)]
    x, y = axis(pair.x_label, [a for a, _ in spots], log=pair.log), axis(pair.y_label, [b for _, b in spots])
    return scatter(f"{pair.title} of each method on {place.title}", dots, x, y)


def _has(estimate: Estimate, positive: bool) -> bool:
    return not np.isnan(estimate.value) and (estimate.value > 0 or not positive)


def _dot(
    line: Line,
    spot: tuple[float, float],
    on: bool,
    pair: _Pair,
    factor: float,
    rows: Mapping[str, dict[str, Any]],
) -> Dot:
    row = rows[line.method]
    spread = _scaled(line.values[pair.x], pair.x_scale), _scaled(line.values[pair.y], factor)
    data = tuple((name, row[name]) for name in ("adapter", "consolidation"))
    return Dot(line.method, *spot, row["link"], on, spread, data)


def _scaled(estimate: Estimate, factor: float) -> Interval:
    interval = estimate.interval
    return None if interval is None else (factor * interval[0], factor * interval[1])
