"""Plots of a leaderboard's runs: matrices as heat maps, and the metric against the task."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from ..benchmark import continual
from ..benchmark.continual import Matrix
from .entry import Entry
from .tidy import PERCENT, ceiling, floor, matrix

# Okabe and Ito's colours: told apart by the colour-blind; markers and dashes tell them apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX"
GROUPS = ("#0072B2", "#000000", "#E69F00", "#882255")
"""Colours of many lines, seven of each; told apart in grey too."""
DASHES = ("-", "--", ":", "-.")


def style_of(k: int) -> dict[str, Any]:
    """Marker, colour and dash of the k-th of many lines: no two of 28 have the same marker and dash."""
    group = k // len(MARKERS) % len(GROUPS)
    return {"marker": MARKERS[k % len(MARKERS)], "color": GROUPS[group], "linestyle": DASHES[group]}


def grid_of(n: int, most: int) -> tuple[int, int]:
    """Rows and columns for n panels: wider than high, and at most ``most`` columns."""
    across = min(n, most, max(1, round((1.6 * n) ** 0.5)))
    return -(-n // across), across


def label_of(metric: str, *, higher: bool = True) -> tuple[float, str]:
    """The factor a metric is shown with, and its axis label with unit and direction."""
    better = "higher is better" if higher else "lower is better"
    return (100, f"{metric} (%, {better})") if metric in PERCENT else (1, f"{metric} ({better})")


FORMATS = ("png", "svg", "pdf")
_UNDATED = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
_UNDATED["pdf"] = {"CreationDate": None, "Creator": None, "Producer": None}


def save(figure: Figure, path: Path) -> Path:
    """Write a figure, in the format of the file's name, without a date or a version: same figure, same bytes."""
    with rc_context({"svg.hashsalt": "cpbench", "svg.fonttype": "none", "pdf.fonttype": 42}):
        figure.savefig(path, dpi=150, metadata=_UNDATED[path.suffix[1:]])
    return path


def mean_matrix(results: Sequence[Entry], metric: str) -> Matrix:
    """Mean of R over runs by position in the order; NaN where no run measured."""
    stack = np.stack([matrix(r, metric) for r in results])
    seen = (~np.isnan(stack)).sum(axis=0)
    total = np.nansum(stack, axis=0)
    return np.where(seen > 0, total / np.maximum(seen, 1), np.nan)


def in_between(r: Matrix) -> bool:
    """Whether more was measured than the base model, each concept when learned, and the end: the protocol "full"."""
    middle = r[1:-1].copy()
    np.fill_diagonal(middle, np.nan)
    return bool((~np.isnan(middle)).any())


def heat_maps(runs: Mapping[str, Sequence[Entry]], metric: str) -> Figure:
    """One heat map of R a method; rows: after task, columns: the concept taught k-th."""
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
        ax.set_xlabel("concept taught k-th" if k + across >= len(runs) else "", fontsize=9)
        if len(results) == 1 and len(runs) <= across:
            ax.set_xticks(range(len(results[0].run.order)), results[0].run.order, rotation=45, ha="right")
            ax.set_xlabel("concept", fontsize=9)
    for ax in axes.ravel()[len(runs) :]:
        ax.set_axis_off()
    figure.colorbar(image, ax=axes, label=label, shrink=min(1.0, 1.6 / down), aspect=20)
    return figure


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
            ax.text(j, i, text, ha="center", va="center", fontsize=7, color=color)
    ax.set_xticks(range(tasks), [str(k + 1) for k in range(tasks)], fontsize=8)
    ax.set_yticks(range(tasks + 1), ["base", *[str(k + 1) for k in range(tasks)]], fontsize=8)
    return image


def curves(runs: Mapping[str, Sequence[Entry]], metric: str) -> Figure:
    """One panel a method: the metric of each concept after each task where that was measured.

    Else right after learning (solid) and at the end (dashed), by the place of the concept.
    """
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
    name_below(axes, len(learners), across, "after task (0: base)" if full else "place in the order")
    figure.supylabel(label, fontsize=9)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure


def name_below(axes: Any, shown: int, across: int, label: str) -> None:
    """Label the lowest panel of each column of a grid, and hide those after the first ``shown``."""
    for k, ax in enumerate(axes):
        if k >= shown:
            ax.set_axis_off()
        elif k + across >= shown:
            ax.set_xlabel(label, fontsize=8)
            ax.tick_params(labelbottom=True)


def _then_and_now(ax: Any, r: Matrix) -> None:
    place = np.arange(1, r.shape[1] + 1)
    ax.plot(place, continual.learned(r), "o-", color=COLOURS[0], markersize=4, label="when learned")
    ax.plot(place, r[-1], "s--", color=COLOURS[1], markersize=4, markerfacecolor="white", label="at the end")


def _after_each(ax: Any, r: Matrix) -> None:
    """A line a concept, over the tasks after which it was measured."""
    for k, column in enumerate(r.T):
        seen = np.flatnonzero(~np.isnan(column))
        ax.plot(seen, column[seen], **style_of(k), markersize=3.5, linewidth=1, label=f"concept taught {k + 1}.")


def _bounds(ax: Any, results: Sequence[Entry], metric: str, factor: float) -> None:
    """Horizontal lines: real pictures above, the base model below."""
    top = float(np.mean([ceiling(r, metric) for r in results]))
    bottom = float(np.mean([floor(r, metric) for r in results]))
    for value, name, dash in ((top, "ceiling: real pictures", "-."), (bottom, "floor: base model", ":")):
        if not np.isnan(value):
            ax.axhline(factor * value, color="#555555", linewidth=1, linestyle=dash, label=name)
