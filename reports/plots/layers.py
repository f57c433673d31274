"""Where and when methods change the weights: the change of each layer in each task, as in the C-LoRA paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from ..analysis.changes import layer_changes
from ..analysis.entry import Entry
from .panels import Panels, Scale
from .style import colour_bar

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
    size = (1.6 + (0.5 + 0.17 * tasks) * across, max(2.2, 0.9 + (0.42 + 0.13 * layers) * down))
    figure = Figure(figsize=size, layout="constrained")
    room = 0.44 + 0.17 * tasks, 0.065 + 0.13 * layers
    panels = Panels(figure, list(shown), across, room, (0.06, 0.39), size=8.0)
    columns = Scale(-0.5, tasks - 0.5, {k: str(k + 1) for k in range(tasks)}, 7.0, inner=True, length=0.0)
    rows = Scale(layers - 0.5, -0.5, dict(enumerate(next(iter(shown.values())).layers)), 6.0, length=0.0)
    panels.frame(columns, rows, paper="#cccccc")
    top = max(float(np.nanmax(c.values)) for c in shown.values())
    norm = LogNorm(top / 10**_DECADES, top, clip=True)
    for k, changes in enumerate(shown.values()):
        seen = np.ma.masked_where(~(changes.values > 0), changes.values)
        image = panels.image(k, seen, norm=norm, cmap="cividis")
    figure.supxlabel("task", fontsize=9)
    label, shrink = "mean |ΔW| in the task\n(grey: no change)", min(1.0, 3.0 / size[1])
    colour_bar(figure, image, panels.ax, across * (room[0] + 0.06), label=label, shrink=shrink, aspect=18)
    return figure
