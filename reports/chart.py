"""Charts for the site as inline SVG: they take the colours of the page, in light and in dark, and are small.

The same plots for papers are matplotlib's (:mod:`.plots`); a page a run times ten thousand runs is too many of those.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup
from matplotlib.ticker import LogLocator, MaxNLocator

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 460, 300, 58, 16, 14, 46
SHAPES = 7
"""Shapes and colours go round after so many series; both differ, for those who see no colours."""


@dataclass(frozen=True)
class Series:
    """Points joined by a line; NaN leaves a gap. ``style`` chooses colour and shape, ``dashed`` the line."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    style: int = 0
    dashed: bool = False


@dataclass(frozen=True)
class Dot:
    """One named point of a scatter chart; ``front``: nothing is better in both directions."""

    name: str
    x: float
    y: float
    link: str
    front: bool = False


@dataclass(frozen=True)
class Axis:
    """A label with unit and direction, and the range; ``log`` for a logarithmic one, ``whole`` for whole ticks."""

    label: str
    low: float
    high: float
    log: bool = False
    whole: bool = False

    def ticks(self) -> list[float]:
        """Round values inside the range."""
        wide = self.log and self.high / self.low > 1e3
        steps = MaxNLocator(7 if self.whole else 5, steps=[1, 2, 2.5, 5, 10], integer=self.whole)
        locator = LogLocator(subs=(1.0,) if wide else (1.0, 3.0)) if self.log else steps
        return [float(v) for v in locator.tick_values(self.low, self.high) if self.low <= v <= self.high]

    def share(self, value: float) -> float:
        """Where a value lies in the range, 0 to 1."""
        low, high, v = (math.log(u) if self.log else u for u in (self.low, self.high, value))
        return (v - low) / (high - low)


def axis(label: str, values: Iterable[float], *, zero: bool = False, log: bool = False) -> Axis:
    """A range that holds all values with a little room, from zero on where asked for."""
    seen = [v for v in values if not math.isnan(v) and (v > 0 or not log)] or [0.0, 1.0]
    low, high = min(seen), max(seen)
    if log:
        return Axis(label, low / 1.5, high * 1.5, log=True)
    room = 0.06 * (high - low) or 0.5
    return Axis(label, min(0.0, low - (room if low < 0 else 0)) if zero else low - room, high + room)


def lines(title: str, series: Sequence[Series], x: Axis, y: Axis) -> Markup:
    """A chart of lines with a legend below."""
    body = [_frame(x, y)]
    for s in series:
        points = [(_x(x, a), _y(y, b)) for a, b in zip(s.x, s.y, strict=True) if not math.isnan(b)]
        path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points) if points else ""
        kind = f"s{s.style % SHAPES}" + (" dashed" if s.dashed else "")
        marks = "".join(_mark(s.style, a, b) for a, b in points)
        body.append(f'<g class="{kind}"><path class="line" d="{path}"/>{marks}</g>')
    return Markup(_svg(title, body) + _legend(series))


def scatter(title: str, dots: Sequence[Dot], x: Axis, y: Axis) -> Markup:
    """Named points; those of the Pareto front are filled and joined."""
    placed = sorted(((_x(x, d.x), _y(y, d.y), d) for d in dots), key=lambda p: (p[0], p[1]))
    front = "L".join(f"{a:.1f} {b:.1f}" for a, b, d in placed if d.front)
    body = [_frame(x, y), f'<path class="front" d="M{front}"/>' if front else ""]
    taken: list[tuple[float, float, float]] = []
    for a, b, d in placed:
        body.append(
            f'<a href="{escape(d.link)}"><g class="{"dot on" if d.front else "dot"}"><circle cx="{a:.1f}" cy="{b:.1f}" '
            f'r="4.5"/>{_name(d.name, a, b, taken)}</g></a>'
        )
    return Markup(_svg(title, body, "group"))  # not one image: its points are links; every text in it is escaped


def _name(name: str, a: float, b: float, taken: list[tuple[float, float, float]]) -> str:
    """A label beside its point, moved up or down until it covers no earlier one; left out where there is no room."""
    wide = 6.0 * len(name)
    left = a + 8 if a + 8 + wide < WIDTH else a - 8 - wide
    for shift in (0, -11, 11, -22, 22, -33, 33):
        y = b + 4 + shift
        if TOP < y < HEIGHT - BOTTOM and all(abs(y - v) > 10.5 or left > u + w or u > left + wide for u, v, w in taken):
            taken.append((left, y, wide))
            return f'<text x="{left:.1f}" y="{y:.1f}">{escape(name)}</text>'
    return f"<title>{escape(name)}</title>"


def _svg(title: str, body: Sequence[str], role: str = "img") -> str:
    start = f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="{role}" aria-label="{escape(title)}">'
    return f"{start}{''.join(body)}</svg>"


def _frame(x: Axis, y: Axis) -> str:
    """Grid, tick labels and axis labels."""
    right, low = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for v in y.ticks():
        at = _y(y, v)
        parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{right}"/>')
        parts.append(f'<text class="tick" text-anchor="end" x="{LEFT - 7}" y="{at + 4:.1f}">{short(v)}</text>')
    for v in x.ticks():
        at = _x(x, v)
        parts.append(f'<path class="grid" d="M{at:.1f} {TOP}V{low}"/>')
        parts.append(f'<text class="tick" text-anchor="middle" x="{at:.1f}" y="{low + 17}">{short(v)}</text>')
    middle = (LEFT + right) / 2
    parts.append(f'<text class="label" text-anchor="middle" x="{middle}" y="{HEIGHT - 8}">{escape(x.label)}</text>')
    turned = f'transform="translate(13 {(TOP + low) / 2}) rotate(-90)"'
    parts.append(f'<text class="label" text-anchor="middle" {turned}>{escape(y.label)}</text>')
    return "".join(parts)


def short(value: float) -> str:
    """A number for a tick: 1200000 becomes 1.2M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:.3g}"


def _x(axis: Axis, value: float) -> float:
    return LEFT + axis.share(value) * (WIDTH - LEFT - RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - axis.share(value) * (HEIGHT - TOP - BOTTOM)


def _mark(style: int, a: float, b: float) -> str:
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
    kind = f"s{s.style % SHAPES}" + (" dashed" if s.dashed else "")
    line = f'<g class="{kind}"><path class="line" d="M1 6H27"/>{_mark(s.style, 14, 6)}</g>'
    return f'<li><svg viewBox="0 0 28 12" aria-hidden="true">{line}</svg>{escape(s.name)}</li>'


def pareto(points: Sequence[tuple[float, float]], *, smaller_x: bool, smaller_y: bool) -> list[bool]:
    """Which points no other one beats: at least as good in both directions, and better in one."""
    signed = [(a if smaller_x else -a, b if smaller_y else -b) for a, b in points]
    return [not any((c <= a and d <= b) and (c, d) != (a, b) for c, d in signed) for a, b in signed]
