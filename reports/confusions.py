"""What methods take real pictures for, after each task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .entry import Entry
from .tidy import Board

_MOST = 6
"""Tasks that are shown, at most; of more, as many at even distances."""


def confusion(board: Board) -> Figure | None:
    """What each method takes real pictures for after each task: rows are methods, columns tasks."""
    runs = {name: own for name, own in board.runs.items() if own[0].confusion and own[0].cost}
    if not runs or board.tasks < 2:
        return None
    tasks = sorted({round(float(t)) for t in np.linspace(2, board.tasks, min(_MOST, board.tasks - 1))})
    across = 1 if len(runs) <= 6 else 2 if len(runs) <= 16 else 3
    down, wide = -(-len(runs) // across), len(tasks) + 1
    longest = 0.075 * max(map(len, runs))
    side = 0.62
    size = (across * (longest + side * len(tasks)) + 1.2, side * down + 0.9)
    figure = Figure(figsize=size, layout="constrained")
    ratios = [longest / side, *[1.0] * len(tasks)] * across
    axes: Any = figure.subplots(down, wide * across, squeeze=False, width_ratios=ratios)
    for ax in axes.ravel():
        ax.set_axis_off()
    image: Any = None
    for k, (name, own) in enumerate(runs.items()):
        head, *panels = axes[k % down, k // down * wide : (k // down + 1) * wide]
        head.text(1.0, 0.5, name, fontsize=8, ha="right", va="center", transform=head.transAxes)
        for ax, i in zip(panels, tasks, strict=True):
            image = _panel(ax, _mean(own, i), f"task {i}" if k % down == 0 else "")
    label = "share of real pictures\n(row: concept, column: taken for)"
    bar = figure.colorbar(image, ax=axes, shrink=min(1.0, 2.6 / size[1]), aspect=16)
    bar.set_label(label, fontsize=8)
    return figure


def _panel(ax: Any, r: Any, title: str) -> Any:
    ax.set_axis_on()
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize=8)
    return ax.imshow(r, vmin=0, vmax=1, cmap="Blues")


def _mean(runs: Sequence[Entry], i: int) -> Any:
    """Mean over runs by place in the order, (i, i)."""
    seen = [e.confusion[i][:i, :i] for e in runs if i in e.confusion]
    return np.mean(seen, axis=0) if seen else np.full((i, i), np.nan)
