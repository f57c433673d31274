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


def heat_maps(runs: Mapping[str, Sequence[Entry]], metric: str) -> Figure:
    """One heat map of R a method; rows: after task, columns: the concept taught k-th."""
    factor, label = label_of(metric)
    across = min(3, len(runs))
    down = -(-len(runs) // across)
    figure = Figure(figsize=(3.6 * across + 0.9, 3.6 * down + 0.5), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False).ravel()
    image: Any = None
    for ax, (name, results) in zip(axes, runs.items(), strict=False):
        title = "\n".join(textwrap.wrap(f"{name} ({_runs(results)})", 32))
        image = _heat_map(ax, factor * mean_matrix(results, metric), title, factor)
        if len(results) == 1:
            ax.set_xticks(range(len(results[0].run.order)), results[0].run.order, rotation=45, ha="right")
            ax.set_xlabel("concept")
    for ax in axes[len(runs) :]:
        ax.set_axis_off()
    figure.colorbar(image, ax=list(axes), label=label, shrink=0.8)
    return figure


def _runs(results: Sequence[Entry]) -> str:
    return f"{len(results)}\N{NO-BREAK SPACE}run{'s' if len(results) > 1 else ''}"


def _heat_map(ax: Any, r: Matrix, title: str, top: float) -> Any:
    ax.set_facecolor("#eeeeee")
    image = ax.imshow(np.ma.masked_invalid(r), vmin=0, vmax=top, cmap="cividis")
    for (i, j), value in np.ndenumerate(r):
        if not np.isnan(value):
            text = f"{value:.0f}" if top == 100 else f"{value:.2f}"
            ax.text(j, i, text, ha="center", va="center", fontsize=8, color="white" if value < 0.55 * top else "black")
    tasks = r.shape[1]
    ax.set_xticks(range(tasks), [str(k + 1) for k in range(tasks)])
    ax.set_yticks(range(tasks + 1), ["base", *[str(k + 1) for k in range(tasks)]])
    ax.set(title=title, xlabel="concept taught k-th", ylabel="after task")
    return image


def curves(runs: Mapping[str, Sequence[Entry]], metric: str) -> Figure:
    """One panel a method: the metric of each concept right after learning (solid) and at the end (dashed)."""
    factor, label = label_of(metric)
    learners = {name: results for name, results in runs.items() if any(r.cost for r in results)} or runs
    across = min(4, len(learners))
    down = -(-len(learners) // across)
    figure = Figure(figsize=(2.6 * across + 1.2, 2.1 * down + 0.9), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel()
    for ax, (name, results) in zip(axes, learners.items(), strict=False):
        r = factor * mean_matrix(results, metric)
        place = np.arange(1, r.shape[1] + 1)
        ax.plot(place, continual.learned(r), "o-", color=COLOURS[0], markersize=4, label="when learned")
        ax.plot(place, r[-1], "s--", color=COLOURS[1], markersize=4, markerfacecolor="white", label="at the end")
        _bounds(ax, results, metric, factor)
        ax.set_title(f"{name} ({_runs(results)})", fontsize=9)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(alpha=0.25)
    for ax in axes[len(learners) :]:
        ax.set_axis_off()
    axes[0].set_ylim(bottom=min(0, axes[0].get_ylim()[0]))
    figure.supxlabel("place of the concept in the order", fontsize=9)
    figure.supylabel(label, fontsize=9)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, fontsize=8, frameon=False)
    return figure


def _bounds(ax: Any, results: Sequence[Entry], metric: str, factor: float) -> None:
    """Horizontal lines: real pictures above, the base model below."""
    top = float(np.mean([ceiling(r, metric) for r in results]))
    bottom = float(np.mean([floor(r, metric) for r in results]))
    for value, name, dash in ((top, "ceiling: real pictures", "-."), (bottom, "floor: base model", ":")):
        if not np.isnan(value):
            ax.axhline(factor * value, color="#555555", linewidth=1, linestyle=dash, label=name)
