"""Plots that compare the methods of a board: fronts, cost and its growth, task orders, and confusion."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from matplotlib.transforms import Bbox

from ..benchmark import continual
from .chart import pareto
from .entry import Entry
from .plots import COLOURS, MARKERS, label_of
from .tidy import Board

Numbers = dict[str, tuple[float, float]]


def _points(board: Board, x: str, y: str) -> Numbers:
    """Two columns of the methods that have both; the base model, which learns nothing, is left out."""
    lines = [line for line in board.lines if not line.bound and line.method != "base"]
    found = {line.method: (line.values[x].value, line.values[y].value) for line in lines}
    return {name: p for name, p in found.items() if not np.isnan(p).any()}


def _scatter(ax: Any, found: Numbers, scale: tuple[float, float]) -> None:
    """Named points; those that no other beats (less of x, more of y) are filled and joined."""
    points = [(a * scale[0], b * scale[1]) for a, b in found.values()]
    front = pareto(points, smaller_x=True, smaller_y=False)
    best = sorted(p for p, on in zip(points, front, strict=True) if on)
    ax.plot(*zip(*best, strict=True), color=COLOURS[1], linestyle="--", linewidth=1, zorder=1)
    for (a, b), on in zip(points, front, strict=True):
        ax.plot(a, b, "o", color=COLOURS[1 if on else 0], markerfacecolor=COLOURS[1] if on else "white", markersize=6)
    ax.grid(alpha=0.25)
    ax.margins(0.12, 0.08)


def _name(ax: Any, found: Numbers, scale: tuple[float, float]) -> None:
    """Name the points, each where its name covers no point and no earlier name; axes must have their final scale."""
    ax.figure.draw_without_rendering()
    spot = {name: ax.transData.transform((a * scale[0], b * scale[1])) for name, (a, b) in found.items()}
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in spot.values()]
    for name, (x, y) in spot.items():
        width, height = 4.6 * len(name) * ax.figure.dpi / 72, 8 * ax.figure.dpi / 72
        places = product((x + 6, x - width - 6, x - width / 2), (y + 2, y - height - 2, y + 12, y - height - 12))
        boxes = [Bbox.from_bounds(*corner, width, height) for corner in places]
        box = min(boxes, key=lambda b: b.count_overlaps(taken))
        taken.append(box)
        at = ax.transData.inverted().transform((box.x0, box.y0))
        ax.annotate(name, at, fontsize=7, va="bottom", annotation_clip=False)


def front(board: Board) -> Figure | None:
    """Plasticity against forgetting."""
    found = _points(board, "forgetting", "plasticity")
    if len(found) < 2:
        return None
    factor, label = label_of(board.headline)
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    ax: Any = figure.subplots()
    _scatter(ax, found, (factor, factor))
    ax.set_xlabel(f"forgetting of {label_of(board.headline, higher=False)[1]}")
    ax.set_ylabel(f"plasticity: {label} right after its task")
    _name(ax, found, (factor, factor))
    return figure


def cost(board: Board) -> Figure | None:
    """The average against seconds and storage."""
    found = [_points(board, x, "average") for x in ("train_seconds", "stored_bytes")]
    found = [{name: p for name, p in f.items() if p[0] > 0} for f in found]
    if min(map(len, found)) < 2:
        return None
    factor, label = label_of(board.headline)
    figure = Figure(figsize=(10.4, 4.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    titles = ("training time of a task (s, lower is better)", "kept for later tasks (MB, lower is better)")
    for ax, numbers, title, scale in zip(axes, found, titles, (1.0, 1e-6), strict=True):
        _scatter(ax, numbers, (scale, factor))
        ax.set_xscale("log")
        _plain(ax.xaxis)
        ax.set_xlabel(title)
    axes[0].set_ylabel(f"average after the last task: {label}")
    for ax, numbers, scale in zip(axes, found, (1.0, 1e-6), strict=True):
        _name(ax, numbers, (scale, factor))
    return figure


def _plain(axis: Any) -> None:
    """Write numbers and not powers on a logarithmic axis: the more of them, the shorter it is."""
    low, high = axis.get_view_interval()
    decades = np.log10(high / low)
    axis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7) if decades < 1 else (1, 2, 5) if decades < 3 else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axis.set_minor_formatter(NullFormatter())


def growth(board: Board) -> Figure | None:
    """Seconds and storage of each task, by its number."""
    runs = {name: own for name, own in board.runs.items() if own[0].cost}
    if not runs or board.tasks < 2:
        return None
    figure = Figure(figsize=(10.4, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for k, (name, own) in enumerate(runs.items()):
        style = {"color": COLOURS[k % 7], "marker": MARKERS[k // 7 % 7], "markersize": 4, "linewidth": 1, "label": name}
        tasks = [c.task for c in own[0].cost]
        left.plot(tasks, np.mean([[c.train_seconds for c in e.cost] for e in own], axis=0), **style)
        right.plot(tasks, np.mean([[c.stored_bytes / 1e6 for c in e.cost] for e in own], axis=0), **style)
    for ax, title in ((left, "training time (s)"), (right, "kept for later tasks (MB)")):
        ax.set(xlabel="task", ylabel=f"{title}, lower is better")
        ax.set_yscale("log")
        _plain(ax.yaxis)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.grid(alpha=0.25)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", fontsize=7, frameon=False)
    return figure


def orders(board: Board) -> Figure | None:
    """The average of each method on each task order; one dot an order, a bar for the spread of seeds."""
    runs = board.runs
    every = list(dict.fromkeys(e.order for own in runs.values() for e in own))
    if len(every) < 2:
        return None
    factor, label = label_of(board.headline)
    names = [line.method for line in board.lines if line.method in runs][::-1]
    figure = Figure(figsize=(7.2, 0.9 + 0.27 * len(names)), layout="constrained")
    ax: Any = figure.subplots()
    for k, order in enumerate(every):
        rows = [(y, _of_order(runs[name], order, board.headline)) for y, name in enumerate(names)]
        seen = [(y, factor * np.array(v)) for y, v in rows if v]
        style = {"color": COLOURS[k % 7], "marker": MARKERS[k % 7], "markersize": 5, "linestyle": "none"}
        places = [y + 0.5 * ((k + 0.5) / len(every) - 0.5) for y, _ in seen]
        ax.plot([v.mean() for _, v in seen], places, label=" → ".join(order), **style)
        ax.hlines(places, [v.min() for _, v in seen], [v.max() for _, v in seen], color=COLOURS[k % 7], linewidth=1)
    ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.set_xlabel(f"average: {label}\nbars: least and greatest over seeds", fontsize=9)
    ax.grid(alpha=0.25, axis="x")
    figure.legend(loc="outside upper left", fontsize=7, frameon=False)
    return figure


def _of_order(runs: Sequence[Entry], order: tuple[str, ...], metric: str) -> list[float]:
    return [continual.average(e.matrix(metric)) for e in runs if e.order == order]


def confusion(board: Board) -> Figure | None:
    """What each method takes real pictures for after each task: rows are methods, columns tasks."""
    runs = {name: own for name, own in board.runs.items() if own[0].confusion and own[0].cost}
    if not runs or board.tasks < 2:
        return None
    columns = 2 if len(runs) > 6 else 1
    down, across = -(-len(runs) // columns), board.tasks - 1
    figure = Figure(figsize=((0.8 * across + 1.5) * columns + 0.9, 0.8 * down + 0.9), layout="constrained")
    axes: Any = figure.subplots(down, across * columns, squeeze=False)
    for ax in axes.ravel():
        ax.set_axis_off()
    image: Any = None
    for k, (name, own) in enumerate(runs.items()):
        line, first = k % down, k // down * across
        for i, ax in enumerate(axes[line, first : first + across], 2):
            ax.set_axis_on()
            image = ax.imshow(_mean_confusion(own, i), vmin=0, vmax=1, cmap="Blues")
            ax.set(xticks=[], yticks=[])
            ax.set_title(f"task {i}" if line == 0 else "", fontsize=8)
        axes[line, first].set_ylabel(name, fontsize=8, rotation=0, ha="right", va="center")
    label = "share of real pictures (row: concept, column: taken for)"
    figure.colorbar(image, ax=axes, label=label, shrink=0.5)
    return figure


def _mean_confusion(runs: Sequence[Entry], i: int) -> Any:
    """Mean over runs by place in the order, (i, i)."""
    seen = [e.confusion[i][:i, :i] for e in runs if i in e.confusion]
    return np.mean(seen, axis=0) if seen else np.full((i, i), np.nan)
