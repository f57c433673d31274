"""Charts as inline SVG: small, and in the colours of the page, light or dark.

Matplotlib (:mod:`.plots`) draws the same plots for papers; for one page per run it would take too long.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import LogLocator, MaxNLocator

from ..layout import Box, Rows, subs

LEFT, RIGHT, TOP, BOTTOM = 58, 16, 14, 46
SHAPES = 7
"""After so many series, shapes and colours repeat. They differ together, for readers who see no colours."""


@dataclass(frozen=True)
class Series:
    """Points joined by a line; NaN leaves a gap. ``style`` chooses colour and shape, ``dashed`` the line."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    style: int = 0
    dashed: bool = False


@dataclass(frozen=True)
class Level:
    """A named horizontal line: a floor or a ceiling."""

    name: str
    y: float


@dataclass(frozen=True)
class Axis:
    """A label with unit and direction, and the range; ``log``: logarithmic, ``whole``: ticks at whole numbers only."""

    label: str
    low: float
    high: float
    log: bool = False
    whole: bool = False

    def ticks(self) -> list[float]:
        """Round values inside the range."""
        steps = MaxNLocator(7 if self.whole else 5, steps=[1, 2, 2.5, 5, 10], integer=self.whole)
        locator = LogLocator(subs=subs(self.low, self.high)) if self.log else steps
        return [float(v) for v in locator.tick_values(self.low, self.high) if self.low <= v <= self.high]

    def share(self, value: float) -> float:
        """The place of a value in the range, 0 to 1."""
        low, high, v = (math.log(u) if self.log else u for u in (self.low, self.high, value))
        return (v - low) / (high - low)


def axis(label: str, values: Iterable[float], *, zero: bool = False, log: bool = False) -> Axis:
    """A range that contains all values with some room; with ``zero``, it includes zero."""
    seen = [v for v in values if math.isfinite(v) and (v > 0 or not log)] or [1.0 if log else 0.0, 1.0]
    low, high = min(seen), max(seen)
    if log:
        return Axis(label, low / 1.3, high * 1.3, log=True)
    room = 0.06 * (high - low) or 0.5
    return Axis(label, min(0.0, low - (room if low < 0 else 0)) if zero else low - room, high + room)


@dataclass(frozen=True)
class Canvas:
    """Two axes and the size of their drawing, in pixels at full size; text is 11 pixels high."""

    x: Axis
    y: Axis
    width: int = 460
    height: int = 300

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Pixels from the left and from the top to a point."""
        return self._across(x), self._down(y)

    def _across(self, value: float) -> float:
        return LEFT + self.x.share(value) * (self.width - LEFT - RIGHT)

    def _down(self, value: float) -> float:
        return self.height - BOTTOM - self.y.share(value) * (self.height - TOP - BOTTOM)

    def frame(self) -> str:
        """Grid, tick labels and axis labels."""
        right, parts = self.width - RIGHT, []
        for v in self.y.ticks():
            at = self._down(v)
            parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{right}"/>')
            parts.append(f'<text class="tick" text-anchor="end" x="{LEFT - 7}" y="{at + 4:.1f}">{short(v)}</text>')
        turned = f'transform="translate(13 {(TOP + self.height - BOTTOM) / 2}) rotate(-90)"'
        return "".join([*parts, _label(self.y.label, turned), self.foot()])

    def foot(self) -> str:
        """The grid, tick labels and label of the x axis."""
        low, parts = self.height - BOTTOM, []
        for v in self.x.ticks():
            at = self._across(v)
            parts.append(f'<path class="grid" d="M{at:.1f} {TOP}V{low}"/>')
            parts.append(f'<text class="tick" text-anchor="middle" x="{at:.1f}" y="{low + 17}">{short(v)}</text>')
        middle = (LEFT + self.width - RIGHT) / 2
        return "".join([*parts, _label(self.x.label, f'x="{middle}" y="{self.height - 8}"')])

    def level(self, line: Level, drawn: Rows) -> str:
        """A horizontal line over the whole width, its name where that covers the fewest of the ``drawn`` points."""
        at, right, width = self._down(line.y), self.width - RIGHT, 6.1 * len(line.name)
        lefts = (right - 3 - width, LEFT + 3, (LEFT + right - width) / 2)
        boxes = [Box(left, top, width, 12.0) for top in (at - 14, at + 2) for left in lefts]
        box = min(boxes, key=lambda b: b.held(drawn) + 99 * (b.y + b.height > self.height - BOTTOM))
        name = f'<text x="{box.x:.1f}" y="{box.y + 10:.1f}">{escape(line.name)}</text>'
        return f'<g class="level"><path d="M{LEFT} {at:.1f}H{right}"/>{name}</g>'

    def svg(self, title: str, body: Sequence[str], *, kind: str = "chart", role: str = "img") -> str:
        """The whole chart; ``role`` is "group" where parts of it are links."""
        start = f'<svg class="{kind}" viewBox="0 0 {self.width} {self.height}" role="{role}"'
        return f'{start} aria-label="{escape(title)}">{"".join(body)}</svg>'


def _label(text: str, where: str) -> str:
    return f'<text class="label" text-anchor="middle" {where}>{escape(text)}</text>'


def lines(title: str, series: Sequence[Series], x: Axis, y: Axis, levels: Sequence[Level] = ()) -> Markup:
    """A chart of lines with a legend below."""
    canvas = Canvas(x, y)
    placed = [[canvas.at(a, b) for a, b in zip(s.x, s.y, strict=True) if _drawable(b, y)] for s in series]
    along = np.concatenate([np.empty((0, 2)), *map(_along, placed)])
    body = [canvas.frame(), *(canvas.level(line, along) for line in levels)]
    for s, points in zip(series, placed, strict=True):
        path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points) if points else ""
        marks = "".join(mark(s.style, a, b) for a, b in points)
        body.append(f'<g class="{_class_of(s)}"><path class="line" d="{path}"/>{marks}</g>')
    return Markup(canvas.svg(title, body) + _legend(series))  # every text in it is escaped


def _drawable(value: float, y: Axis) -> bool:
    return math.isfinite(value) and (value > 0 or not y.log)


def _along(points: Sequence[tuple[float, float]]) -> Rows:
    """Closely spaced points on the line through ``points``, (n, 2)."""
    corners, steps = np.array(points).reshape(len(points), 2), np.arange(0, max(1, len(points) - 1) + 1e-9, 1 / 16)
    if not points:
        return corners
    return np.stack([np.interp(steps, np.arange(len(points)), column) for column in corners.T], axis=1)


def _class_of(s: Series) -> str:
    return f"s{s.style % SHAPES}" + (" dashed" if s.dashed else "")


def short(value: float) -> str:
    """A number for a tick: 1200000 becomes 1.2M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:.3g}"


def mark(style: int, a: float, b: float) -> str:
    """A marker: circle, square, diamond, triangle up, triangle down, plus, cross."""
    at = f"M{a:.1f} {b:.1f}"
    paths = (
        "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
        "m-3.5 -3.5h7v7h-7z",
        "m0 -5l4.5 5l-4.5 5l-4.5 -5z",
        "m0 -4.5l4.5 8h-9z",
        "m0 4.5l4.5 -8h-9z",
        "m-1.3 -4.5h2.6v3.2h3.2v2.6h-3.2v3.2h-2.6v-3.2h-3.2v-2.6h3.2z",
        "m-4 -2.5l1.5 -1.5l2.5 2.5l2.5 -2.5l1.5 1.5l-2.5 2.5l2.5 2.5l-1.5 1.5l-2.5 -2.5l-2.5 2.5l-1.5 -1.5l2.5 -2.5z",
    )
    return f'<path class="mark" d="{at}{paths[style % SHAPES]}"/>'


def _legend(series: Sequence[Series]) -> str:
    return f'<ul class="legend">{"".join(map(_legend_item, series))}</ul>'


def _legend_item(s: Series) -> str:
    line = f'<g class="{_class_of(s)}"><path class="line" d="M1 6H27"/>{mark(s.style, 14, 6)}</g>'
    return f'<li><svg viewBox="0 0 28 12" aria-hidden="true">{line}</svg>{escape(s.name)}</li>'
