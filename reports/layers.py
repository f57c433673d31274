"""Where and when methods change the weights: the change of each layer in each task, as C-LoRA's paper shows it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .entry import Entry

_LOGGED = "change."
_STAGES = {"down_blocks": "down", "mid_block": "mid", "up_blocks": "up"}
_DECADES = 6.0
"""Decades below the greatest change that colours tell apart."""


@dataclass(frozen=True)
class Changes:
    """Mean |ΔW| that each layer learned in each task, (layers, T); NaN where it was not logged."""

    layers: tuple[str, ...]
    values: NDArray[np.float64]


def layer_changes(runs: Sequence[Entry]) -> Changes:
    """Geometric means over runs, in the order in which the layers lie; no layers where none was logged."""
    figures = [[c.figures for c in e.cost] for e in runs if e.cost]
    found = {name for run in figures for f in run for name in f if name.startswith(_LOGGED)}
    layers = sorted((name.removeprefix(_LOGGED) for name in found), key=_place)
    values = [
        [_mean([run[i].get(_LOGGED + x, np.nan) for run in figures]) for i in range(runs[0].tasks)] for x in layers
    ]
    return Changes(tuple(map(_short, layers)), np.array(values).reshape(len(layers), runs[0].tasks))


def _mean(values: Sequence[float]) -> float:
    """Geometric; zero where any is: nothing was learned there."""
    if np.isnan(values).any() or not len(values):
        return float("nan")
    return float(np.exp(np.mean(np.log(values)))) if min(values) > 0 else 0.0


def _place(layer: str) -> tuple[int, list[int], str]:
    """Sorts layers by where the signal passes them."""
    stage = next((k for k, name in enumerate(_STAGES) if layer.startswith(name)), len(_STAGES))
    return stage, [int(n) for n in re.findall(r"\d+", layer)], layer


def _short(layer: str) -> str:
    """A layer's name without what all of them have: up 1.0 key."""
    stage = next((told for name, told in _STAGES.items() if layer.startswith(name)), None)
    if stage is None:
        return layer
    words = {"to_k": "key", "to_v": "value", "to_q": "query", "to_out": "out", "attn1": "self"}
    kept = [words[part] for part in layer.split(".") if part in words]
    place = ".".join(re.findall(r"\.(\d+)", layer.split(".transformer_blocks")[0]))
    return " ".join([stage, *([place] if place else []), *kept])


def change_plot(runs: Mapping[str, Sequence[Entry]]) -> Figure | None:
    """A panel a method: rows are layers, columns tasks, colours powers of ten; None where no change was logged."""
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
    label = "mean |ΔW| learned in the task\n(grey: nothing)"
    figure.colorbar(image, ax=axes, label=label, shrink=min(1.0, 3.0 / size[1]), aspect=18)
    return figure


def _panel(ax: Any, name: str, changes: Changes, norm: LogNorm, *, first: bool) -> Any:
    ax.set_facecolor("#cccccc")
    seen = np.ma.masked_where(~(changes.values > 0), changes.values)
    image = ax.imshow(seen, norm=norm, cmap="cividis", aspect="auto")
    tasks = changes.values.shape[1]
    ax.set_xticks(range(tasks), [str(k + 1) for k in range(tasks)], fontsize=7)
    ax.set_yticks(range(len(changes.layers)), changes.layers if first else [""] * len(changes.layers), fontsize=6)
    ax.tick_params(length=0)
    ax.set_title(name, fontsize=8)
    return image
