"""Plots of matrices: as heat maps, as curves, and how methods classify real pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import Transform

from ...benchmark.records import continual
from ...benchmark.records.continual import Matrix
from ..analysis.board import Board
from ..analysis.entry import CEILING, FLOOR, Entry, ceiling, floor, in_between, mean_matrix, mean_of
from ..analysis.units import label_of
from .panels import Panels, Scale, evenly
from .style import COLOURS, colour_bar, grid_of, legend_below, style_of


def heat_maps(runs: Mapping[str, Sequence[Entry]], metric: str) -> Figure | None:
    """A heat map of R per method; rows are tasks after which it was measured, columns concepts in the order taught.

    None where the metric was measured nowhere.
    """
    if not _measured(runs, metric):
        return None
    (factor, label), first = label_of(metric), next(iter(runs.values()))[0]
    down, across = grid_of(len(runs), 6)
    tasks = first.tasks
    side = max(2.1, 0.3 * tasks)
    figure = Figure(figsize=(side * across + 1.4, (side + 0.25) * down + 0.6), layout="constrained")
    titles = [f"{name} ({_runs(results)})" for name, results in runs.items()]
    cell = (side - 0.2) / (tasks + 1)
    room = cell * tasks, cell * (tasks + 1)
    panels = Panels(figure, titles, across, room, (side + 0.08 - room[0], 0.5))
    panels.ax.set_aspect("equal")
    named = len(runs) <= across and all(len(own) == 1 for own in runs.values())
    x, y = _heat_scales(tasks, first.run.order if named else None)
    places = panels.frame(x, y, paper="#eeeeee")
    for k, results in enumerate(runs.values()):
        image = _heat_map(panels, k, places[k], factor * mean_matrix(results, metric), factor)
    if not named:
        panels.name_below(x, "concept, in the order taught", 9)
    panels.name_beside("after task", 9, 36)
    wide, shrink = across * (side + 0.08), min(1.0, 1.6 / down)
    colour_bar(figure, image, panels.ax, wide, label=label, shrink=shrink, aspect=20)
    return figure


def _heat_scales(tasks: int, names: Sequence[str] | None) -> tuple[Scale, Scale]:
    """Columns are concepts, by name where there are names; rows are the base model and the tasks, from the top."""
    numbers = [str(k + 1) for k in range(tasks)]
    x = Scale(-0.5, tasks - 0.5, dict(enumerate(names or numbers)), 8.0, inner=True, turned=names is not None)
    return x, Scale(tasks + 0.5, -0.5, dict(enumerate(["base", *numbers])), 8.0, inner=True)


def _measured(runs: Mapping[str, Sequence[Entry]], metric: str) -> bool:
    return any(not np.isnan(e.matrix(metric)).all() for own in runs.values() for e in own)


def _runs(results: Sequence[Entry]) -> str:
    return f"{len(results)}\N{NO-BREAK SPACE}run{'s' if len(results) > 1 else ''}"


def _heat_map(panels: Panels, k: int, place: Transform, r: Matrix, top: float) -> Any:
    for (i, j), value in np.ndenumerate(r):
        if not np.isnan(value):
            text = f"{value:.0f}" if top == 100 else f"{value:.2f}"
            look: Any = {"color": "white" if value < 0.55 * top else "black", "in_layout": False}
            panels.ax.text(j, i, text, ha="center", va="center", fontsize=7, transform=place, **look)
    return panels.image(k, np.ma.masked_invalid(r), vmin=0, vmax=top, cmap="cividis")


@dataclass(frozen=True)
class _Line:
    x: Any
    y: Any
    look: dict[str, Any]


def curves(runs: Mapping[str, Sequence[Entry]], metric: str) -> Figure | None:
    """A panel per method: the metric of each concept after each task, under the protocol "full".

    Otherwise right after the task of the concept (solid) and after the last task (dashed), in the order taught. None
    where there is nothing to show.
    """
    factor, label = label_of(metric)
    learners = {name: results for name, results in runs.items() if any(r.cost for r in results)} or runs
    means = {name: factor * mean_matrix(results, metric) for name, results in learners.items()}
    full = any(map(in_between, means.values()))
    drawn = {name: list((_after_each if full else _then_and_now)(r)) for name, r in means.items()}
    bounds = {name: list(_bounds(results, metric, factor)) for name, results in learners.items()}
    heights = [v for lines in drawn.values() for line in lines for v in line.y[~np.isnan(line.y)]]
    heights += [value for own in bounds.values() for value, _, _ in own]
    if not heights:
        return None
    down, across = grid_of(len(learners), 6)
    figure = Figure(figsize=(2.3 * across + 1.2, 1.9 * down + 1.1), layout="constrained")
    titles = [f"{name} ({_runs(results)})" for name, results in learners.items()]
    panels = Panels(figure, titles, across, (2.29, 1.54), (0.13, 0.31))
    x = evenly([v for lines in drawn.values() for line in lines for v in line.x] or [0.0, 1.0], whole=True)
    places = panels.frame(x, evenly(heights, least=0.0), grid=True)
    for place, name in zip(places, learners, strict=True):
        for line in drawn[name]:
            panels.ax.plot(line.x, line.y, transform=place, **line.look)
        for value, text, dash in bounds[name]:
            look: Any = {"color": "#555555", "linewidth": 1, "linestyle": dash, "label": text}
            panels.ax.plot([x.low, x.high], [value, value], transform=place, **look)
    panels.name_below(x, "after task (0: base model)" if full else "concept, in the order taught", 8)
    figure.supylabel(label, fontsize=9)
    legend_below(figure, panels.legend(), min(4, across + 1), fontsize=8)
    return figure


def _then_and_now(r: Matrix) -> Iterator[_Line]:
    place = np.arange(1, r.shape[1] + 1)
    then = {"marker": "o", "color": COLOURS[0], "markersize": 4, "label": "right after its task"}
    now = {"marker": "s", "linestyle": "--", "color": COLOURS[1], "markersize": 4, "label": "after the last task"}
    yield _Line(place, continual.learned(r), then)
    yield _Line(place, r[-1], now | {"markerfacecolor": "white"})


def _after_each(r: Matrix) -> Iterator[_Line]:
    """A line per concept, over the tasks after which it was measured."""
    for k, column in enumerate(r.T):
        seen = np.flatnonzero(~np.isnan(column))
        look = style_of(k) | {"markersize": 3.5, "linewidth": 1, "label": f"concept of task {k + 1}"}
        yield _Line(seen, column[seen], look)


def _bounds(results: Sequence[Entry], metric: str, factor: float) -> Iterator[tuple[float, str, str]]:
    """Horizontal lines: the ceiling and the floor, each with its name and its dashes."""
    top, bottom = (mean_of(of, results, metric) for of in (ceiling, floor))
    for value, name, dash in ((top, CEILING, "-."), (bottom, FLOOR, ":")):
        if not np.isnan(value):
            yield factor * value, name, dash


_MOST = 6
"""Tasks shown, at most; of more, as many at even distances in their list."""
_PITCH, _PANEL = 0.62, 0.87
"""From one panel to the next, in inches; the side of a panel as a share of that."""


def confusion(board: Board) -> Figure | None:
    """How each method classifies real pictures after each task: a row of panels per method, one panel per task.

    Rows of concepts without held-out pictures are left white. None where no method classified any.

    All panels are images in one pair of axes: a hundred pairs would take most of the time of a report to lay out.
    """
    runs = {name: own for name, own in board.runs.items() if any(e.confusion and e.cost for e in own)}
    if not runs or board.tasks < 2:
        return None
    tasks = _classified([e for own in runs.values() for e in own if e.confusion])
    across = 1 if len(runs) <= 6 else 2 if len(runs) <= 16 else 3
    down, named = -(-len(runs) // across), 0.075 * max(map(len, runs)) / _PITCH
    wide = across * (named + len(tasks))
    figure = Figure(figsize=(_PITCH * wide + 1.2, max(3.0, _PITCH * (down + 0.4) + 0.3)), layout="constrained")
    ax: Any = figure.subplots()
    for k, (name, own) in enumerate(runs.items()):
        left, top = k // down * (named + len(tasks)) + named, k % down
        ax.text(left - 0.12, top + _PANEL / 2, name, fontsize=8, ha="right", va="center")
        for c, i in enumerate(tasks):
            image = _panel(ax, _mean(own, i), left + c, top)
            if top == 0:
                ax.text(left + c + _PANEL / 2, -0.08, f"task {i}", fontsize=8, ha="center", va="bottom")
    ax.set(xlim=(0, wide), ylim=(down, -0.4))
    ax.set_axis_off()
    bar = figure.colorbar(image, ax=ax, shrink=min(1.0, 2.6 / figure.get_figheight()), aspect=16)
    meaning = "share of real pictures after task n (chance: 1/n)\n(row: true concept, column: chosen concept)"
    bar.set_label(meaning, fontsize=8)
    return figure


def _classified(runs: Sequence[Entry]) -> list[int]:
    """The tasks from the second on after which all runs classified; if there are none in common, those of any run."""
    each = [{i for i in e.confusion if i > 1} for e in runs]
    there = sorted(set.intersection(*each) or set.union(*each))
    return [there[k] for k in sorted({round(float(k)) for k in np.linspace(0, len(there) - 1, min(_MOST, len(there)))})]


def _panel(ax: Any, r: Any, left: float, top: float) -> Any:
    ax.add_patch(Rectangle((left, top), _PANEL, _PANEL, fill=False, linewidth=0.8))
    return ax.imshow(r, vmin=0, vmax=1, cmap="Blues", extent=(left, left + _PANEL, top + _PANEL, top))


def _mean(runs: Sequence[Entry], i: int) -> Any:
    """Mean over runs by place in the order, (i, i); NaN for places without held-out pictures."""
    seen = np.array([e.confusion[i][:i, :i] for e in runs if i in e.confusion]).reshape(-1, i, i)
    if not np.isnan(seen).any() and len(seen):
        return np.mean(seen, axis=0)
    counts = (~np.isnan(seen)).sum(axis=0)
    return np.where(counts > 0, np.nansum(seen, axis=0) / np.maximum(counts, 1), np.nan)
