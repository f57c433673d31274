"""Charts of points as inline SVG: methods in two columns of the leaderboard, and runs by task order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from ..layout import Box, place
from .svg import BOTTOM, LEFT, TOP, Axis, Canvas, mark

Interval = tuple[float, float] | None
_WIDE, _NARROW = (470, 400), (350, 440)
"""Width and height of a chart of names on a wide page and on a phone: its text never gets smaller."""
_RADIUS = 5.0


@dataclass(frozen=True)
class Dot:
    """One named point; ``front``: it is on the Pareto front; ``spread``: its intervals in x and y.

    ``data``: names and values that the page can filter by.
    """

    name: str
    x: float
    y: float
    link: str
    front: bool = False
    spread: tuple[Interval, Interval] = (None, None)
    data: tuple[tuple[str, str], ...] = ()


def scatter(title: str, dots: Sequence[Dot], x: Axis, y: Axis) -> Markup:
    """Named points, twice: for wide and for narrow pages. Points of the front are filled, joined, and on top."""
    wide, narrow = Canvas(x, y, *_WIDE), Canvas(x, y, *_NARROW)
    return Markup(_points(title, dots, wide, "chart") + _points(title, dots, narrow, "chart narrow"))


def _points(title: str, dots: Sequence[Dot], canvas: Canvas, kind: str) -> str:
    shown = sorted(dots, key=lambda d: (d.front, d.x, d.y))
    spots = [canvas.at(d.x, d.y) for d in shown]
    joined = "L".join(f"{a:.1f} {b:.1f}" for (a, b), d in zip(spots, shown, strict=True) if d.front)
    room = Box(LEFT, TOP, canvas.width - LEFT - 2, canvas.height - TOP - BOTTOM)
    names = place(spots, [(6.1 * len(d.name), 12.0) for d in shown], room, _RADIUS)
    body = [
        canvas.frame(),
        *(_bars(d, canvas) for d in shown),
        f'<path class="front" d="M{joined}"/>' if joined else "",
    ]
    body += [_dot(d, spot, box) for d, spot, box in zip(shown, spots, names, strict=True)]
    return canvas.svg(title, body, kind=kind, role="group")  # its points are links; every text in it is escaped


def _dot(d: Dot, spot: tuple[float, float], box: Box) -> str:
    data = "".join(f' data-{escape(k)}="{escape(v)}"' for k, v in d.data)
    circle = f'<circle cx="{spot[0]:.1f}" cy="{spot[1]:.1f}" r="{_RADIUS - 0.5}"/>'
    name = f'<text x="{box.x:.1f}" y="{box.y + 10:.1f}">{escape(d.name)}</text>'
    (a, b), far = box.nearest(spot), box.far(spot, _RADIUS)
    lead = f'<path class="lead" d="M{spot[0]:.1f} {spot[1]:.1f}L{a:.1f} {b:.1f}"/>' if far else ""
    kind = "dot on" if d.front else "dot"
    return f'<a href="{escape(d.link)}" class="{kind}"{data}>{lead}{circle}{name}</a>'


def _bars(d: Dot, canvas: Canvas) -> str:
    """The intervals of a point as a faint cross, cut where the axes end."""
    path = ""
    for k, interval in enumerate(d.spread):
        if interval is not None:
            axis = (canvas.x, canvas.y)[k]
            ends = [min(max(v, axis.low), axis.high) for v in interval]
            (a, b), (c, e) = (canvas.at(v, d.y) if k == 0 else canvas.at(d.x, v) for v in ends)
            path += f"M{a:.1f} {b:.1f}L{c:.1f} {e:.1f}"
    return f'<path class="bar" d="{path}"/>' if path else ""


@dataclass(frozen=True)
class Strip:
    """A named row of values."""

    name: str
    values: Sequence[float]


def strips(title: str, rows: Sequence[Strip], x: Axis) -> Markup:
    """One row of points per name: a bar from the least to the greatest, and a larger mark at their mean."""
    high = 34
    canvas = Canvas(x, Axis("", 0, 1), height=TOP + BOTTOM + high * len(rows))
    body = [canvas.foot(), *(_strip(row, canvas, TOP + high * k) for k, row in enumerate(rows))]
    return Markup(canvas.svg(title, body))


def _strip(row: Strip, canvas: Canvas, top: float) -> str:
    """The name above, the points below."""
    spots, at = [canvas.at(v, 0)[0] for v in row.values], top + 23
    bar = f'<path class="line" d="M{min(spots):.1f} {at}H{max(spots):.1f}"/>'
    each = "".join(f'<circle cx="{a:.1f}" cy="{at}" r="2.5"/>' for a in spots)
    name = f'<text x="{LEFT}" y="{top + 11}">{escape(row.name)}</text>'
    mean = mark(2, sum(spots) / len(spots), at)
    return f'{name}<g class="strip s0">{bar}{each}{mean}</g>'
