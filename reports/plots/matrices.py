"""Plots of matrices: as heat maps, as curves, and how methods classify real pictures."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ...benchmark.records import continual
from ...benchmark.records.continual import Matrix
from ..analysis.board import Board
from ..analysis.entry import Entry, ceiling, floor, in_between, mean_matrix, mean_of
from ..analysis.units import label_of
from .style import COLOURS, grid_of, name_below, style_of


def heat_maps(runs: Mapping[str, Sequence[Entry]], metric: str) -> Figure | None:
    """A heat map of R per method; rows are tasks after which it was measured, columns concepts in the order taught.

    None where the metric was measured nowhere.
    """
    if not _measured(runs, metric):
        return None
    factor, label = label_of(metric)
    down, across = grid_of(len(runs), 6)
    side = max(2.1, 0.3 * next(iter(runs.values()))[0].tasks)
    figure = Figure(figsize=(side * across + 1.4, (side + 0.25) * down + 0.6), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False)
    image: Any = None
    for k, (ax, (name, results)) in enumerate(zip(axes.ravel(), runs.items(), strict=False)):
        image = _heat_map(ax, factor * mean_matrix(results, metric), factor)
        ax.set_title("\n".join(textwrap.wrap(f"{name} ({_runs(results)})", 28)), fontsize=9)
        ax.set_ylabel("after task" if k % across == 0 else "", fontsize=9)
        ax.set_xlabel("concept, in the order taught" if k + across >= len(runs) else "", fontsize=9)
        if len(results) == 1 and len(runs) <= across:
            ax.set_xticks(range(len(results[0].run.order)), results[0].run.order, rotation=45, ha="right")
            ax.set_xlabel("concept", fontsize=9)
    for ax in axes.ravel()[len(runs) :]:
        ax.set_axis_off()
    figure.colorbar(image, ax=axes[:, -1], label=label, shrink=min(1.0, 1.6 / down), aspect=20)
    return figure


def _measured(runs: Mapping[str, Sequence[Entry]], metric: str) -> bool:
    return any(not np.isnan(e.matrix(metric)).all() for own in runs.values() for e in own)


def _runs(results: Sequence[Entry]) -> str:
    return f"{len(results)}\N{NO-BREAK SPACE}run{'s' if len(results) > 1 else ''}"


def _heat_map(ax: Any, r: Matrix, top: float) -> Any:
    ax.set_facecolor("#eeeeee")
    image = ax.imshow(np.ma.masked_invalid(r), vmin=0, vmax=top, cmap="cividis")
    tasks = r.shape[1]
    for (i, j), value in np.ndenumerate(r):
        if not np.isnan(value):
            text = f"{value:.0f}" if top == 100 else f"{value:.2f}"
            color = "white" if value < 0.55 * top else "black"
            ax.text(j, i, text, ha="center", va="center", fontsize=7, color=color, in_layout=False)
    ax.set_xticks(range(tasks), [str(k + 1) for k in range(tasks)], fontsize=8)
    ax.set_yticks(range(tasks + 1), ["base", *[str(k + 1) for k in range(tasks)]], fontsize=8)
    return image


def curves(runs: Mapping[str, Sequence[Entry]], metric: str) -> Figure | None:
    """A panel per method: the metric of each concept after each task, under the protocol "full".

    Otherwise right after the task of the concept (solid) and after the last task (dashed), in the order taught. None
    where the metric was measured nowhere.
    """
    if not _measured(runs, metric):
        return None
    factor, label = label_of(metric)
    learners = {name: results for name, results in runs.items() if any(r.cost for r in results)} or runs
    means = {name: factor * mean_matrix(results, metric) for name, results in learners.items()}
    full = any(map(in_between, means.values()))
    down, across = grid_of(len(learners), 6)
    figure = Figure(figsize=(2.3 * across + 1.2, 1.9 * down + 1.1), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel()
    for ax, (name, results) in zip(axes, learners.items(), strict=False):
        (_after_each if full else _then_and_now)(ax, means[name])
        _bounds(ax, results, metric, factor)
        ax.set_title(f"{name} ({_runs(results)})", fontsize=9)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(alpha=0.25)
    axes[0].set_ylim(bottom=min(0, axes[0].get_ylim()[0]))
    name_below(axes, len(learners), across, "after task (0: base model)" if full else "concept, in the order taught")
    figure.supylabel(label, fontsize=9)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, across + 1), fontsize=8, frameon=False)
    return figure


def _then_and_now(ax: Any, r: Matrix) -> None:
    place = np.arange(1, r.shape[1] + 1)
    ax.plot(place, continual.learned(r), "o-", color=COLOURS[0], markersize=4, label="right after its task")
    ax.plot(place, r[-1], "s--", color=COLOURS[1], markersize=4, markerfacecolor="white", label="after the last task")


def _after_each(ax: Any, r: Matrix) -> None:
    """A line per concept, over the tasks after which it was measured."""
    for k, column in enumerate(r.T):
        seen = np.flatnonzero(~np.isnan(column))
        ax.plot(seen, column[seen], **style_of(k), markersize=3.5, linewidth=1, label=f"concept of task {k + 1}")


def _bounds(ax: Any, results: Sequence[Entry], metric: str, factor: float) -> None:
    """Horizontal lines: the ceiling and the floor."""
    top, bottom = (mean_of(of, results, metric) for of in (ceiling, floor))
    for value, name, dash in ((top, "ceiling: real pictures", "-."), (bottom, "floor: base model", ":")):
        if not np.isnan(value):
            ax.axhline(factor * value, color="#555555", linewidth=1, linestyle=dash, label=name)


_MOST = 6
"""Tasks shown, at most; of more, as many at even distances."""
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
    tasks = sorted({round(float(t)) for t in np.linspace(2, board.tasks, min(_MOST, board.tasks - 1))})
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
    bar.set_label("share of real pictures after each task\n(row: true concept, column: chosen concept)", fontsize=8)
    return figure


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
