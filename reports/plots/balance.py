"""The balance of the terms of a loss, by task: how strongly each pulls at the weights, and in which direction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.transforms import Transform

from ..analysis.balance import Balance, balances
from ..analysis.entry import Entry
from .panels import Panels, Scale, decades, evenly
from .style import COLOURS, DASHES, MARKERS, grid_of, legend_below

RANGE = (0.03, 3.0)
"""Ratios between which terms have been found to work together; the methods are tuned over them."""
_UPPER, _LOWER = (0.42, 1.0), (0.0, 0.36)
_COSINES = Scale(-1.15, 1.15, {-1.0: "\N{MINUS SIGN}1", 0.0: "0", 1.0: "1"}, 8.0)
_APART = 0.11
_PHASES = ("learn", "dsc", "zip", "fisher")


def balance_plot(runs: Mapping[str, Sequence[Entry]]) -> Figure | None:
    """A panel per method that trains a loss of several terms: the ratio r of each term, and its cosine, by task.

    Means over runs; None where no method logged them.
    """
    found = {name: balances(own) for name, own in runs.items()}
    shown = {name: own for name, own in found.items() if any(b.trains for b in own)}
    if not shown:
        return None
    down, across = grid_of(len(shown), 6)
    figure = Figure(figsize=(2.3 * across + 1.2, 2.7 * down + 1.2), layout="constrained")
    panels = Panels(figure, list(shown), across, (2.2, 2.2), (0.16, 0.42))
    tasks = max(len(b.ratio) for own in shown.values() for b in own)
    x = replace(evenly([0.7, tasks + 0.3], whole=True), low=0.5, high=tasks + 0.5, size=8.0)
    y = replace(decades([*RANGE, *(v for own in shown.values() for b in own for v in _heights(b))]), size=8.0)
    places = panels.frame(replace(x, ticks=dict.fromkeys(x.ticks, "")), y, grid=True, part=_UPPER)
    lower = panels.frame(x, _COSINES, grid=True, part=_LOWER)
    looks = _looks([b for own in shown.values() for b in own])
    for own, ratio, cosine in zip(shown.values(), places, lower, strict=True):
        _marked(panels, x, ratio, cosine)
        for k, b in enumerate(own):
            _drawn(panels, b, _APART * (k - (len(own) - 1) / 2), looks[_key(b)], ratio, cosine)
    panels.name_below(x, "task", 8)
    panels.name_beside("ratio r of norms", 8, 34, _UPPER)
    panels.name_beside("cosine", 8, 34, _LOWER)
    title = fill(_MEANING, int(16 * figure.get_figwidth()))
    legend_below(figure, _ordered(panels, looks), min(4, across + 1), title=title, title_fontsize=8, fontsize=8)
    return figure


_MEANING = (
    f"r = norm of the term's gradient / norm of that of the main term; grey: {RANGE[0]:g} to {RANGE[1]:g}; "
    "bars: from the first update of the phase, where it is not zero, to the last (dot)"
)


def _heights(b: Balance) -> Iterator[float]:
    yield from (float(v) for row in (b.ratio, b.first, b.last) for v in row if np.isfinite(v) and v > 0)


def _key(b: Balance) -> tuple[str, str, str]:
    return b.phase, b.term, b.main


def _looks(every: Sequence[Balance]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Colour and marker by term, dash by phase, open markers where nothing is trained; in the order of the phases."""
    phases = [*_PHASES, *sorted({b.phase for b in every} - {*_PHASES})]
    keys = sorted(set(map(_key, every)), key=lambda key: (phases.index(key[0]), key[1:]))
    trained = {b.phase for b in every if b.trains}
    terms = list(dict.fromkeys(term for _, term, _ in keys))
    looks = {}
    for phase, term, main in keys:
        k = terms.index(term)
        fill = COLOURS[k % len(COLOURS)] if phase in trained and k < len(MARKERS) else "white"
        style = {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)], "markerfacecolor": fill}
        dash = DASHES[phases.index(phase) % len(DASHES)]
        looks[phase, term, main] = style | {"linestyle": dash, "label": f"{phase}: {term} against {main}"}
    return looks


def _marked(panels: Panels, x: Scale, ratio: Transform, cosine: Transform) -> None:
    """The range of useful ratios, balance (r = 1), and a right angle (cosine 0)."""
    ends, (low, high) = [x.low, x.high], RANGE
    panels.ax.fill([*ends, *ends[::-1]], [low, low, high, high], color="#000000", alpha=0.06, lw=0, transform=ratio)
    for height, place in ((1.0, ratio), (0.0, cosine)):
        panels.ax.plot(ends, [height, height], color="#555555", linewidth=0.9, transform=place, label="_")


def _drawn(panels: Panels, b: Balance, off: float, look: dict[str, Any], ratio: Transform, cosine: Transform) -> None:
    """One term in one panel, ``off`` tasks to the right of its place so that terms do not hide one another."""
    tasks, thin = np.arange(1, len(b.ratio) + 1) + off, {"color": look["color"], "linewidth": 0.8, "label": "_"}
    for at, first, last in zip(tasks, b.first, b.last, strict=True):
        if np.isfinite([first, last]).all():
            panels.ax.plot([at, at], [first, last], transform=ratio, alpha=0.8, **thin)
            panels.ax.plot([at], [last], ".", markersize=3.5, transform=ratio, **thin)
    for values, place in ((b.ratio, ratio), (b.cosine, cosine)):
        panels.ax.plot(tasks, values, markersize=4, linewidth=1, transform=place, **look)


def _ordered(panels: Panels, looks: Mapping[Any, dict[str, Any]]) -> Iterator[tuple[Any, str]]:
    """The legend, in the order of the phases."""
    handles = {name: handle for handle, name in panels.legend()}
    yield from ((handles[look["label"]], look["label"]) for look in looks.values())
