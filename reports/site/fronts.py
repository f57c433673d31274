"""The charts beside a leaderboard: what a method learns against what it forgets, takes and keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..chart import axis, pareto
from ..plots import label_of
from ..scatter import Dot, Interval, scatter
from ..stats import Estimate
from ..tidy import Line
from .place import Place


@dataclass(frozen=True)
class _Pair:
    """Two columns against one another: titles, and how x is drawn."""

    x: str
    y: str
    title: str
    x_label: str
    y_label: str
    x_scale: float = 1.0
    log: bool = False


def fronts(place: Place, rows: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    """Scatter charts of two columns each, with their Pareto fronts; ``rows`` are the lines of the leaderboard."""
    factor, label = label_of(place.board.headline)
    what, average = label.split(" (")[0], f"average {label}"
    pairs = (
        _Pair("forgetting", "plasticity", "plasticity against forgetting", f"forgetting of {what} (lower is better)",
              f"plasticity of {label}", factor),
        _Pair("train_seconds", "average", "average against training time", "seconds a task (lower is better)", average,
              log=True),
        _Pair("stored_bytes", "average", "average against storage", "bytes stored (lower is better)", average,
              log=True),
    )  # fmt: skip
    told = {row["method"]: row for row in rows if not row["bound"]}
    for pair in pairs:
        if chart := _chart(pair, place, told, factor):
            yield {"title": pair.title, "svg": chart}


def _chart(pair: _Pair, place: Place, told: Mapping[str, dict[str, Any]], factor: float) -> str | None:
    """None where fewer than two methods have both columns."""
    rivals = [line for line in place.board.lines if line.competes]
    seen = [line for line in rivals if _has(line.values[pair.x], pair.log) and _has(line.values[pair.y], False)]
    if len(seen) < 2:
        return None
    spots = [(pair.x_scale * line.values[pair.x].value, factor * line.values[pair.y].value) for line in seen]
    best = pareto(spots, smaller_x=True, smaller_y=False)
    dots = [_dot(line, spot, on, pair, factor, told) for line, spot, on in zip(seen, spots, best, strict=True)]
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
    told: Mapping[str, dict[str, Any]],
) -> Dot:
    row = told[line.method]
    spread = _scaled(line.values[pair.x], pair.x_scale), _scaled(line.values[pair.y], factor)
    data = tuple((name, row[name]) for name in ("adapter", "consolidation"))
    return Dot(line.method, *spot, row["link"], on, spread, data)


def _scaled(estimate: Estimate, factor: float) -> Interval:
    interval = estimate.interval
    return None if interval is None else (factor * interval[0], factor * interval[1])
