"""Methods as curves: plasticity against forgetting over the values of one option of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from ..analysis.board import Board
from ..analysis.frontier import Curve, Spot, frontier, references
from ..analysis.units import label_of
from .names import write_names
from .style import COLOURS, legend_below, look_of, named_lines

_VALUES = "numbers: values of the option"
_DEFAULT = "; filled: default options"
_SPREADS = "\nthin crosses: 95 % intervals over runs; of fewer than three runs: thin lines to each of them"
_GREY = "#555555"

Point = tuple[float, float]


def frontier_plot(board: Board) -> Figure | None:
    """A curve for each method and option with three values or more, and reference methods as points.

    None where there is no such option.
    """
    curves, beside = frontier(board), references(board)
    if not curves:
        return None
    factor, label = label_of(board.headline)
    figure = Figure(figsize=(7.4, 6.4), layout="constrained")
    ax: Any = figure.subplots()
    for k, curve in enumerate(curves):
        _draw(ax, curve, factor, look_of(k))
    floor = beside.pop("base", None)
    for spot in beside.values():
        ax.plot(*_at(spot, factor), "*", markersize=9, color=_GREY, zorder=4)
    ax.grid(alpha=0.25)
    ax.margins(0.06)
    ax.set_xlabel(f"forgetting of {label_of(board.headline, higher=False)[1]}")
    ax.set_ylabel(f"plasticity: {label}\nof each concept right after its task")
    known = any(spot.tuned for curve in curves for spot in curve.spots)
    legend = {"title": _VALUES + _DEFAULT * known + _SPREADS, "title_fontsize": 8, "fontsize": 8, "handlelength": 3.6}
    legend_below(figure, named_lines(ax), 3, **legend)
    _spreads(ax, curves, beside, factor)
    names = _names(curves, factor) | {_at(spot, factor): (name, _GREY) for name, spot in beside.items()}
    if floor is not None:
        names |= _base(ax, floor, factor)
    texts, colours = zip(*names.values(), strict=True)
    write_names(ax, texts, list(names), size=6.5, away=5.0, colours=colours)
    return figure


def _at(spot: Spot, factor: float) -> Point:
    return factor * spot.forgetting.value, factor * spot.plasticity.value


def _draw(ax: Any, curve: Curve, factor: float, look: Mapping[str, Any]) -> None:
    """The curve with open markers, and a greater filled one at the default options."""
    title = f"{curve.method} ({curve.option})"
    points = [_at(spot, factor) for spot in curve.spots]
    ax.plot(*zip(*points, strict=True), **look, markersize=5.5, markerfacecolor="white", linewidth=1.3, label=title)
    for point in (point for point, spot in zip(points, curve.spots, strict=True) if spot.tuned):
        filled = {"markersize": 9, "markeredgecolor": "black", "linestyle": "none", "zorder": 4, "label": "_"}
        ax.plot(*point, **{**look, **filled})


def _spreads(ax: Any, curves: Sequence[Curve], beside: Mapping[str, Spot], factor: float) -> None:
    """What the runs of each spot vary by, without widening the axes."""
    limits = ax.get_xlim(), ax.get_ylim()
    spots = [(spot, COLOURS[k % len(COLOURS)]) for k, curve in enumerate(curves) for spot in curve.spots]
    for spot, colour in [*spots, *((spot, _GREY) for spot in beside.values())]:
        for ends in _arms(spot):
            ax.plot(*(factor * np.array(ends).T), color=colour, linewidth=0.8, alpha=0.45, zorder=1, label="_")
    ax.set(xlim=limits[0], ylim=limits[1])


def _arms(spot: Spot) -> list[tuple[Point, Point]]:
    """Ends of the lines that show a spread, unscaled."""
    (x, wide), (y, high) = ((e.value, e.interval) for e in (spot.forgetting, spot.plasticity))
    if wide is None or high is None:
        return [((x, y), run) for run in spot.runs if len(spot.runs) > 1]
    return [((wide[0], y), (wide[1], y)), ((x, high[0]), (x, high[1]))]


def _names(curves: Sequence[Curve], factor: float) -> dict[Point, tuple[str, Any]]:
    """The text and the colour for each point: the value of the option, after the method where these are its defaults.

    A point on two curves of a method is named once.
    """
    found: dict[Point, tuple[str, Any]] = {}
    for k, curve in enumerate(curves):
        colour = tuple(0.7 * part for part in to_rgb(COLOURS[k % len(COLOURS)]))  # light colours are hard to read
        tuned = any(spot.tuned for spot in curve.spots)
        for value, spot in zip(curve.values, curve.spots, strict=True):
            named = spot.tuned or (not tuned and spot is curve.spots[-1])
            found.setdefault(_at(spot, factor), (f"{curve.method} {_short(value)}" if named else _short(value), colour))
    return found


def _short(value: float) -> str:
    """Three digits, as short as they can be: 1000, 1e5, 3e-5."""
    text = f"{value:.3g}" if abs(value) < 1000 or abs(value) >= 1e5 else f"{value:.0f}"
    return text.replace("e-0", "e-").replace("e+0", "e")


def _base(ax: Any, spot: Spot, factor: float) -> dict[Point, tuple[str, Any]]:
    """The base model: where it lies below the axes, an arrow on their lower edge, with its plasticity."""
    (x, y), (low, _) = _at(spot, factor), ax.get_ylim()
    inside = y >= low
    ax.plot(x, max(y, low), "*" if inside else "v", markersize=9 if inside else 6, color=_GREY, clip_on=False, zorder=4)
    return {(x, max(y, low)): ("base" if inside else f"base, at {y:.3g}", _GREY)}
