"""Plots of what methods log while they learn: how much C-LoRA still changes, and the Fisher information."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ...benchmark.records import continual
from ..analysis.entry import Entry, matrix
from ..analysis.units import label_of
from .panels import Panels, decades, evenly
from .style import COLOURS, MARKERS, grid_of, legend_below

_TOP = 5


def later_change(result: Entry) -> float:
    """Mean |ΔW| learned per task, averaged over all tasks but the first; NaN where it was not logged."""
    seen = [c.figures["change"] for c in result.cost[1:] if "change" in c.figures]
    return float(np.mean(seen)) if seen else float("nan")


def later_plasticity(result: Entry, metric: str) -> float:
    """The metric right after the task of each concept, averaged over all measured concepts but the first."""
    learned = continual.learned(matrix(result, metric))[1:]
    seen = learned[~np.isnan(learned)]
    return float(np.mean(seen)) if len(seen) else float("nan")


def shrinkage(results: Sequence[Entry], metric: str) -> Figure | None:
    """Left: how much C-LoRA changes the weights after the first task, against λ; right: how well it still learns.

    A line per method, whose points are means over runs; None unless a method ran with two values of λ.
    """
    found: dict[str, dict[float, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        if "clora" in result.run.options and len(result.cost) > 1 and not np.isnan(later_change(result)):
            found[result.run.method][float(result.run.options["clora"]["strength"])].append(result)
    swept = {name: runs for name, runs in sorted(found.items()) if len(runs) > 1}
    if not swept:
        return None
    factor, label = label_of(metric)
    figure = Figure(figsize=(9.6, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    for k, (name, runs) in enumerate(swept.items()):
        strengths = sorted(runs)
        style = {"color": COLOURS[k], "marker": MARKERS[k], "label": name}
        left.plot(strengths, [np.mean([later_change(r) for r in runs[s]]) for s in strengths], **style)
        learned = [factor * np.mean([later_plasticity(r, metric) for r in runs[s]]) for s in strengths]
        right.plot(strengths, learned, **style)
    lowest = min(s for runs in swept.values() for s in runs if s > 0)
    for ax in (left, right):
        ax.set_xscale("symlog", linthresh=lowest)  # λ = 0 has a place too
        ax.set_xlabel("penalty weight λ of C-LoRA", fontsize=9)
        ax.grid(alpha=0.25)
    left.set_yscale("log")  # it falls by several powers of ten
    right.set_ylim(bottom=0)
    left.set_ylabel("mean |ΔW| per task, from task 2 on", fontsize=9)
    right.set_ylabel(f"{label}\nof each concept right after its task, from task 2 on", fontsize=9)
    left.legend(fontsize=8, frameon=False)
    return figure


def spectra(runs: Mapping[str, Sequence[Entry]]) -> Figure | None:
    """The largest eigenvalues of the empirical Fisher information, a panel per method, without and with DC scores.

    Geometric means over tasks and runs; None where no method logged them.
    """
    kinds = {
        "fisher": ("denoising loss", "-"),
        "fisher_dc": ("denoising loss + DC loss", "--"),
    }
    found = {name: {kind: _top(results, kind) for kind in kinds} for name, results in runs.items()}
    shown = {name: tops for name, tops in found.items() if tops["fisher"].size}
    if not shown:
        return None
    down, across = grid_of(len(shown), 6)
    figure = Figure(figsize=(2.3 * across + 0.8, 1.9 * down + 1.0), layout="constrained")
    panels = Panels(figure, list(shown), across, (2.27, 1.54), (0.13, 0.31))
    x = evenly([k + 1 for tops in shown.values() for k in range(len(tops["fisher"]))], whole=True)
    y = decades([float(v) for tops in shown.values() for values in tops.values() for v in values])
    places = panels.frame(x, y, grid=True)
    for place, tops in zip(places, shown.values(), strict=True):
        for k, (kind, (title, line)) in enumerate(kinds.items()):
            look: Any = {"color": COLOURS[k], "marker": MARKERS[k], "markersize": 4, "label": title}
            panels.ax.plot(np.arange(1, len(tops[kind]) + 1), tops[kind], line, transform=place, **look)
    panels.name_below(x, "rank of the eigenvalue", 8)
    figure.supylabel("eigenvalue of the Fisher information", fontsize=9)
    legend_below(figure, panels.legend(), min(2, max(1, across - 1)), fontsize=8)
    return figure


def _top(results: Sequence[Entry], kind: str) -> Any:
    """Geometric means over tasks and runs of the largest eigenvalues, (k,); empty where they were not logged."""
    rows = [
        [cost.figures[f"{kind}.{k}"] for k in range(1, _TOP + 1) if f"{kind}.{k}" in cost.figures]
        for result in results
        for cost in result.cost
    ]
    rows = [row for row in rows if row and min(row) > 0]
    shortest = min(map(len, rows), default=0)
    return np.exp(np.mean([np.log(row[:shortest]) for row in rows], axis=0)) if shortest else np.empty(0)
