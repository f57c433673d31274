"""Where and when methods change the weights: the change of each layer in each task, as in the C-LoRA paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from ..analysis.changes import Changes, layer_changes
from ..analysis.entry import Entry

_DECADES = 6.0
"""How many powers of ten the colours span, down from the greatest change."""


def change_plot(runs: Mapping[str, Sequence[Entry]]) -> Figure | None:
    """A panel per method: rows are layers, columns tasks; colours are logarithmic; None where no change was logged."""
    found = {name: layer_changes(own) for name, own in runs.items()}
    shown = {name: changes for name, changes in found.items() if (changes.values > 0).any()}
    if not shown:
        return None
    across = min(6, len(shown))
    down, (layers, tasks) = -(-len(shown) // across), next(iter(shown.values())).values.shape
    size = (1.6 + (0.5 + 0.17 * tasks) * across, 0.9 + (0.42 + 0.13 * layers) * down)
    figure = Figure(figsize=size, layout="constrained")
    axes: Any = figure.subplots(down, across, squeeze=False)
    top = max(float(np.nanmax(c.values)) for c in shown.values())
    norm = LogNorm(top / 10**_DECADES, top, clip=True)
    image: Any = None
    for k, (ax, (name, changes)) in enumerate(zip(axes.ravel(), shown.items(), strict=False)):
        image = _panel(ax, name, changes, norm, first=k % across == 0)
    for ax in axes.ravel()[len(shown) :]:
        ax.set_axis_off()
    figure.supxlabel("task", fontsize=9)
    label = "mean |ΔW| in the task\n(grey: no change)"
    figure.colorbar(image, ax=axes[:, -1], label=label, shrink=min(1.0, 3.0 / size[1]), aspect=18)
    return figure


def _panel(ax: Any, name: str, changes: Changes, norm: LogNorm, *, first: bool) -> Any:
    ax.set_facecolor("#cccccc")
    seen = np.ma.masked_where(~(changes.values > 0), changes.values)
    image = ax.imshow(seen, norm=norm, cmap="cividis", aspect="auto")
    tasks = changes.values.shape[1]
    ax.set_xticks(range(tasks), [str(k + 1) for k in range(tasks)], fontsize=7)
    if first:
        ax.set_yticks(range(len(changes.layers)), changes.layers, fontsize=6)
    else:
        ax.set_yticks([])
    ax.tick_params(length=0)
    ax.set_title(name, fontsize=8)
    return image
