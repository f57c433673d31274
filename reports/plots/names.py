"""Names beside points, which cover neither points nor one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.patheffects import withStroke

from ..layout import Box, place
from .style import arrange

_WIDE, _HIGH = 0.67, 1.15
"""The width of a character and the height of a line, over the size of the text."""


def write_names(
    ax: Any,
    names: Sequence[str],
    points: Sequence[tuple[float, float]],
    *,
    size: float = 7.0,
    away: float = 4.0,
    colours: Any = None,
) -> None:
    """Write a name for each point, ``size`` points high and ``away`` points from its middle, or joined to it.

    Axes must have their final scale. ``colours``: of the names, one each.
    """
    arrange(ax.figure)
    inch = ax.figure.dpi / 72
    spots = [(round(x, 3), round(y, 3)) for x, y in ax.transData.transform(points).tolist()]
    sizes = [(_WIDE * size * inch * len(name), _HIGH * size * inch) for name in names]
    room = ax.get_window_extent()
    boxes = place(spots, sizes, Box(room.x0, room.y0, room.width, room.height), away * inch)
    for k, (name, spot, box) in enumerate(zip(names, spots, boxes, strict=True)):
        at = ax.transData.inverted().transform((box.x, box.y + 0.15 * box.height))
        look: Any = {"color": colours[k]} if colours else {}
        text = ax.annotate(name, at, fontsize=size, va="baseline", annotation_clip=False, zorder=5, **look)
        text.set_path_effects([withStroke(linewidth=2, foreground="white")])
        if box.far(spot, away * inch):
            ends = ax.transData.inverted().transform([spot, box.nearest(spot)])
            ax.plot(*ends.T, color="#777777", linewidth=0.6, zorder=2, scalex=False, scaley=False)
