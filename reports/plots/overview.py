"""Plots that compare the methods of a board: fronts, cost and its growth, and task orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from ...benchmark.records import continual
from ..analysis.board import Board, pareto
from ..analysis.entry import Entry
from ..analysis.stats import Estimate
from ..analysis.units import label_of
from ..layout import apart, subs
from .names import write_names
from .style import COLOURS, legend_below, style_of

_MARKS = "filled points: no method is better in both; grey bars: 95 % intervals over runs"
_FILLED = ("", "white")
"""Fill of the first seven markers, and of the next seven."""

Interval = tuple[float, float] | None


@dataclass(frozen=True)
class _Spot:
    """A method as a point: its values in two columns, as drawn, with their intervals."""

    at: tuple[float, float]
    spread: tuple[Interval, Interval]


Spots = dict[str, _Spot]


def _spots(board: Board, x: str, y: str, scale: tuple[float, float], *, positive: bool = False) -> Spots:
    """Two columns of the methods that have both, without the base model, which learns nothing."""
    lines = [line for line in board.lines if not line.bound and line.method != "base"]
    found = {}
    for line in lines:
        pair = [_scaled(line.values[key], by) for key, by in zip((x, y), scale, strict=True)]
        (a, wide), (b, high) = pair
        if not np.isnan([a, b]).any() and (a > 0 or not positive):
            found[line.method] = _Spot((a, b), (wide, high))
    return found


def _scaled(estimate: Estimate, by: float) -> tuple[float, Interval]:
    interval = estimate.interval
    return by * estimate.value, None if interval is None else (by * interval[0], by * interval[1])


def _scatter(ax: Any, found: Spots) -> None:
    """A point per method; those that no other beats (less of x, more of y) are filled, joined and on top."""
    points = [spot.at for spot in found.values()]
    front = pareto(points, smaller_x=True, smaller_y=False)
    best = sorted(p for p, on in zip(points, front, strict=True) if on)
    ax.plot(*zip(*best, strict=True), color=COLOURS[1], linestyle="--", linewidth=1, zorder=2)
    for spot, on in zip(found.values(), front, strict=True):
        colour = COLOURS[1 if on else 0]
        style = {"color": colour, "markerfacecolor": colour if on else "white", "zorder": 4 if on else 3}
        ax.plot(*spot.at, "o", markersize=6, **style)
    ax.grid(alpha=0.25)
    ax.margins(0.12, 0.08)


def _bars(ax: Any, found: Spots) -> None:
    """Intervals as grey crosses, which do not widen the axes."""
    limits = ax.get_xlim(), ax.get_ylim()
    for spot in found.values():
        (a, b), (wide, high) = spot.at, spot.spread
        for xs, ys in (((wide), (b, b)), ((a, a), (high))):
            if xs and ys:
                ax.plot(xs, ys, color="#999999", linewidth=0.8, alpha=0.5, zorder=1)
    ax.set(xlim=limits[0], ylim=limits[1])


def _name(ax: Any, found: Spots) -> None:
    """Name the points and draw their intervals; axes must have their final scale."""
    _bars(ax, found)
    write_names(ax, list(found), [spot.at for spot in found.values()])


def front(board: Board) -> Figure | None:
    """Plasticity against forgetting, a point per method."""
    factor, label = label_of(board.headline)
    found = _spots(board, "forgetting", "plasticity", (factor, factor))
    if len(found) < 2:
        return None
    figure = Figure(figsize=(6.4, 5.0), layout="constrained")
    ax: Any = figure.subplots()
    _scatter(ax, found)
    ax.set_xlabel(f"forgetting of {label_of(board.headline, higher=False)[1]}")
    figure.supxlabel(_MARKS, fontsize=8)
    ax.set_ylabel(f"plasticity: {label}\nof each concept right after its task")
    _name(ax, found)
    return figure


def cost(board: Board) -> Figure | None:
    """The average against training time and storage, a point per method."""
    factor, label = label_of(board.headline)
    axes_of = (("train_seconds", 1.0), ("stored_bytes", 1e-6))
    found = [_spots(board, x, "average", (scale, factor), positive=True) for x, scale in axes_of]
    if min(map(len, found)) < 2:
        return None
    figure = Figure(figsize=(10.4, 4.8), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    titles = ("training time per task (s, lower is better)", "storage after the last task (MB, lower is better)")
    for ax, spots, title in zip(axes, found, titles, strict=True):
        _scatter(ax, spots)
        ax.set_xscale("log")
        _plain(ax.xaxis)
        ax.set_xlabel(title)
    figure.supxlabel(_MARKS, fontsize=8)
    axes[0].set_ylabel(f"average over concepts after the last task:\n{label}")
    for ax, spots in zip(axes, found, strict=True):
        _name(ax, spots)
    return figure


def _plain(axis: Any) -> None:
    """Write numbers and not powers on a logarithmic axis."""
    axis.set_major_locator(LogLocator(subs=subs(*axis.get_view_interval())))
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axis.set_minor_formatter(NullFormatter())


def growth(board: Board) -> Figure | None:
    """Training time and storage by task, a line per method, named where it ends."""
    runs = {name: costed for name, own in board.runs.items() if (costed := [e for e in own if e.cost])}
    if not runs or board.tasks < 2:
        return None
    figure = Figure(figsize=(11.6, 6.2), layout="constrained")
    panels: Any = figure.subplots(1, 2)
    shown = (
        ("train_seconds", 1.0, "training time of the task (s"),
        ("stored_bytes", 1e-6, "storage after the task (MB"),
    )
    for ax, (field, scale, title) in zip(panels, shown, strict=True):
        ends = {}
        for k, (name, own) in enumerate(runs.items()):
            means = np.mean([[scale * getattr(c, field) for c in e.cost] for e in own], axis=0)
            ax.plot([c.task for c in own[0].cost], means, **style_of(k), markersize=4, linewidth=1, label=name)
            ends[name] = float(means[-1])
        ax.set(xlabel="task", ylabel=f"{title}, lower is better)", yscale="log")
        _plain(ax.yaxis)
        ax.set_xticks([t for t in MaxNLocator(8, integer=True).tick_values(1, board.tasks) if 1 <= t <= board.tasks])
        ax.grid(alpha=0.25)
        _name_ends(ax, ends, board.tasks)
    shown_lines = zip(*panels[0].get_legend_handles_labels(), strict=True)
    legend_below(figure, shown_lines, 8, fontsize=7, handlelength=4)
    return figure


def _name_ends(ax: Any, ends: dict[str, float], last: int) -> None:
    """Write names to the right of lines, as near to their ends as their height allows, and join them."""
    low, high = np.log(ax.get_ylim())
    shares = {name: float((np.log(v) - low) / (high - low)) for name, v in ends.items() if v > 0}
    names = sorted(shares, key=lambda name: (shares[name], name))
    span, share_of_names = last - 1, min(0.6, 0.012 * max(map(len, names), default=0))
    ax.set_xlim(right=max(last + 0.55 * span, 1 - 0.05 * span + 1.17 * span / (1 - share_of_names)))
    x = last + 0.12 * span
    for name, share in zip(names, apart([shares[n] for n in names], 0.028), strict=True):
        y = np.exp(low + share * (high - low))
        ax.plot([last, x], [ends[name], y], color="#999999", linewidth=0.6, zorder=1)
        ax.annotate(f" {name}", (x, y), fontsize=7, va="center", annotation_clip=False)


def orders(board: Board) -> Figure | None:
    """The average of each method on each task order: a marker per order, a bar from least to greatest over seeds."""
    runs = board.runs
    measured = [e for own in runs.values() for e in own if not np.isnan(continual.average(e.matrix(board.headline)))]
    every = list(dict.fromkeys(e.order for e in measured))
    if len(every) < 2:
        return None
    factor, label = label_of(board.headline)
    names = [line.method for line in board.lines if line.method in runs][::-1]
    height = max(0.9 + 0.27 * len(names), 1.35 + 0.14 * len(every) + 0.13 * len(names))  # few rows beside many orders
    figure = Figure(figsize=(7.2, height), layout="constrained")
    ax: Any = figure.subplots()
    for k, order in enumerate(every):
        rows = [(y, _of_order(runs[name], order, board.headline)) for y, name in enumerate(names)]
        seen = [(y, factor * np.array(v)) for y, v in rows if v]
        look = style_of(k) | {"color": COLOURS[k % 7]}
        style = look | {"markersize": 5, "linestyle": "none", "markerfacecolor": _FILLED[k // 7 % 2] or look["color"]}
        places = [y + 0.5 * ((k + 0.5) / len(every) - 0.5) for y, _ in seen]
        ax.plot([v.mean() for _, v in seen], places, label=fill(" → ".join(order), 100), **style)
        ax.hlines(places, [v.min() for _, v in seen], [v.max() for _, v in seen], color=COLOURS[k % 7], linewidth=1)
    ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.set_xlabel(
        f"average over concepts after the last task: {label}\nbars: minimum and maximum over seeds", fontsize=9
    )
    ax.grid(alpha=0.25, axis="x")
    figure.legend(
        loc="outside lower left", fontsize=7, frameon=False, title="task order", title_fontsize=8, alignment="left"
    )
    return figure


def _of_order(runs: Sequence[Entry], order: tuple[str, ...], metric: str) -> list[float]:
    values = (continual.average(e.matrix(metric)) for e in runs if e.order == order)
    return [value for value in values if not np.isnan(value)]
