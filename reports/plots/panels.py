"""Panels in a grid, all in one pair of axes: a pair of axes for each panel takes most of the time of a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.markers import TICKDOWN, TICKLEFT
from matplotlib.scale import LogTransform
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Affine2D, IdentityTransform, ScaledTranslation, Transform, blended_transform_factory

from ..layout import subs

Pair = tuple[float, float]
_TICK, _PAD, _LINE, _WIDTH = 3.5, 3.5, 1.2, 0.0076
"""Length of a tick and its distance to its number, in points; the height of a line of text over its size, and the
width of a character in inches over the size of the text in points."""


@dataclass(frozen=True)
class Scale:
    """One direction of all panels: its range (low > high turns it round), and the texts at its ticks, by place.

    ``inner``: whether panels inside the grid have the texts too; ``length``: of a tick, in points.
    """

    low: float
    high: float
    ticks: dict[float, str]
    size: float = 10.0
    inner: bool = False
    length: float = _TICK
    turned: bool = False
    log: bool = False

    def share(self, value: float) -> float:
        """How far along the panel a value is, from 0 to 1."""
        low, high, at = np.log10([self.low, self.high, value]) if self.log else (self.low, self.high, value)
        return float((at - low) / (high - low))


def evenly(values: Sequence[float], least: float = np.inf, *, whole: bool = False) -> Scale:
    """A scale that holds all values with a rim of 5 %, and starts at ``least`` or below; at most five steps."""
    low, high = min(values), max(values)
    rim = 0.05 * (high - low) or 0.05
    low, high = min(low - rim, least), high + rim
    places = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10], integer=whole).tick_values(low, high)
    return Scale(low, high, {float(v): _text(v) for v in places if low <= v <= high})


def _text(value: float) -> str:
    return f"{round(value, 10):g}".replace("-", "\N{MINUS SIGN}")


def decades(values: Sequence[float]) -> Scale:
    """A logarithmic scale that holds all values, all > 0, with a rim of 5 %: at most five powers of ten have ticks."""
    low, high = np.log10([min(values), max(values)])
    rim = 0.05 * (high - low) or 0.05
    low, high = low - rim, high + rim
    whole = np.arange(np.ceil(low), np.floor(high) + 1)
    step = max(1, -(-len(whole) // 5))
    ticks = {10.0**k: f"$10^{{{k:g}}}$" for k in whole if k % step == 0}
    if len(ticks) < 2:
        powers = 10.0 ** np.arange(np.floor(low), np.ceil(high))
        every = np.outer(powers, subs(10**low, 10**high)).ravel()
        ticks = {float(v): f"{v:g}" for v in every if 10**low <= v <= 10**high}
    return Scale(float(10**low), float(10**high), ticks, log=True)


class Panels:
    """A panel of ``room`` inches per title, ``across`` of them in a row and ``gap`` inches apart, from the upper left.

    The axes are scaled to fill what the layout of the figure leaves; ``paper`` is the colour of the panels.
    """

    def __init__(
        self, figure: Figure, titles: Sequence[str], across: int, room: Pair, gap: Pair, *, size: float = 9.0
    ) -> None:
        """Draw the titles, ``size`` points high: long ones in several lines, for which the gap grows."""
        self._room, self._across, self._n = room, across, len(titles)
        wide = room[0] + gap[0]
        texts = [fill(title, max(8, int(wide / (_WIDTH * size)))) for title in titles]
        more = max(text.count("\n") for text in texts[across:] or texts) * _LINE * size / 72
        gap = gap[0], gap[1] + more
        self._step = wide, room[1] + gap[1]
        down = -(-len(titles) // across)
        self.ax: Any = figure.subplots()
        self.ax.set(xlim=(0, across * self._step[0] - gap[0]), ylim=(-down * self._step[1] + gap[1], 0))
        self.ax.set_axis_off()
        for k, title in enumerate(texts):
            left, bottom = self.corner(k)
            outer = k < across or k % across == across - 1  # above, or beside what stands on the right
            self._write(title, (left + room[0] / 2, bottom + room[1]), (0, 6), size, outer, ha="center")

    def corner(self, k: int) -> Pair:
        """Left and bottom of a panel, in the units of the axes."""
        row, column = divmod(k, self._across)
        return column * self._step[0], -row * self._step[1] - self._room[1]

    def _write(self, text: str, at: Pair, off: Pair, size: float, outer: bool, **look: Any) -> None:
        """A text at a place plus an offset in points; the layout makes room for outer ones."""
        figure = self.ax.figure
        shift = ScaledTranslation(off[0] / 72, off[1] / 72, figure.dpi_scale_trans)
        place = self.ax.transData + shift
        self.ax.text(*at, text, fontsize=size, transform=place, in_layout=outer, **look)

    def frame(
        self, x: Scale, y: Scale, *, paper: str = "white", grid: bool = False, part: Pair = (0.0, 1.0)
    ) -> Sequence[Transform]:
        """Draw frames, grid and ticks with their texts; the places of values in each panel follow.

        ``part``: the shares of the panel's height between which it is drawn, counted from below.
        """
        width, height = self._room[0], self._room[1] * (part[1] - part[0])
        corners = [(a, b + part[0] * self._room[1]) for a, b in map(self.corner, range(self._n))]
        room = width, height
        boxes = [[(a, b), (a + width, b), (a + width, b + height), (a, b + height)] for a, b in corners]
        look: dict[str, Any] = {"clip_on": False, "in_layout": False}
        self.ax.add_collection(PolyCollection(boxes, facecolors=paper, zorder=-1, **look), autolim=False)
        edges: Any = {"facecolors": "none", "edgecolors": "black", "linewidths": 0.8, "zorder": 2.5}
        self.ax.add_collection(PolyCollection(boxes, **edges, **look), autolim=False)
        if grid:
            self._grid(x, y, room, corners)
        self._ticks(x, y, room, corners)
        return [self._places(x, y, room, corner) for corner in corners]

    def _places(self, x: Scale, y: Scale, room: Pair, corner: Pair) -> Transform:
        parts = [LogTransform(10) if scale.log else IdentityTransform() for scale in (x, y)]
        ends = [np.log10([s.low, s.high]) if s.log else np.array([s.low, s.high]) for s in (x, y)]
        across, up = (size / (high - low) for size, (low, high) in zip(room, ends, strict=True))
        linear = Affine2D().translate(-ends[0][0], -ends[1][0]).scale(across, up).translate(*corner)
        curved: Transform = blended_transform_factory(*parts) if x.log or y.log else IdentityTransform()
        found: Transform = curved + linear + self.ax.transData
        return found

    def _grid(self, x: Scale, y: Scale, room: Pair, corners: Sequence[Pair]) -> None:
        (width, height), lines = room, []
        for left, bottom in corners:
            for place in (left + width * x.share(v) for v in x.ticks):
                lines.append([(place, bottom), (place, bottom + height)])
            for place in (bottom + height * y.share(v) for v in y.ticks):
                lines.append([(left, place), (left + width, place)])
        self.ax.add_collection(
            LineCollection(lines, colors="#b0b0b0", linewidths=0.8, alpha=0.25, zorder=1.5), autolim=False
        )

    def _ticks(self, x: Scale, y: Scale, room: Pair, corners: Sequence[Pair]) -> None:
        width, height = room
        along = [(k, [(a + width * x.share(v), b) for v in x.ticks]) for k, (a, b) in enumerate(corners)]
        up = [(k, [(a, b + height * y.share(v)) for v in y.ticks]) for k, (a, b) in enumerate(corners)]
        turned: Any = {"rotation": 45, "ha": "right", "rotation_mode": "default"} if x.turned else {"ha": "center"}
        below: Any = partial(self._texts, x, off=(0, -x.length - _PAD), va="top", **turned)
        beside: Any = partial(self._texts, y, off=(-y.length - _PAD, 0), va="center_baseline", ha="right")
        self._marks(x, TICKDOWN, along, self._lowest, below)
        self._marks(y, TICKLEFT, up, self._first, beside)

    def _marks(
        self,
        scale: Scale,
        marker: int,
        places: Sequence[tuple[int, list[Pair]]],
        outer: Callable[[int], bool],
        write: Callable[..., None],
    ) -> None:
        if scale.length:
            every = np.array([at for _, own in places for at in own]).reshape(-1, 2)
            look: Any = {"linewidths": 0.8, "color": "black", "clip_on": False}
            self.ax.scatter(*every.T, s=scale.length**2, marker=marker, **look).set_in_layout(False)
        for k, own in places:
            if scale.inner or outer(k):
                write(places=own, outer=outer(k))

    def _texts(self, scale: Scale, *, places: Sequence[Pair], off: Pair, outer: bool, **look: Any) -> None:
        for at, text in zip(places, scale.ticks.values(), strict=True):
            self._write(text, at, off, scale.size, outer, **look)

    def _lowest(self, k: int) -> bool:
        """Whether there is no panel below the k-th."""
        return k + self._across >= self._n

    def _first(self, k: int) -> bool:
        return k % self._across == 0

    def name_below(self, x: Scale, label: str, size: float) -> None:
        """Name the horizontal direction below the lowest panel of each column."""
        off = -x.length - _PAD - _LINE * x.size - 4
        for k in filter(self._lowest, range(self._n)):
            left, bottom = self.corner(k)
            outer = k // self._across == (self._n - 1) // self._across
            self._write(label, (left + self._room[0] / 2, bottom), (0, off), size, outer, ha="center", va="top")

    def name_beside(self, label: str, size: float, away: float, part: Pair = (0.0, 1.0)) -> None:
        """Name the vertical direction beside the first panel of each row, ``away`` points to its left."""
        for k in filter(self._first, range(self._n)):
            left, bottom = self.corner(k)
            look: Any = {"rotation": 90, "ha": "right", "va": "center"}
            middle = bottom + self._room[1] * sum(part) / 2
            self._write(label, (left, middle), (-away, 0), size, True, **look)

    def image(self, k: int, values: Any, **look: Any) -> Any:
        """Fill a panel with an image, its first row at the top."""
        left, bottom = self.corner(k)
        extent = (left, left + self._room[0], bottom, bottom + self._room[1])
        return self.ax.imshow(values, extent=extent, aspect=self.ax.get_aspect(), **look)

    def legend(self) -> Iterator[tuple[Any, str]]:
        """The first line of each label, with it."""
        found = {line.get_label(): line for line in reversed(self.ax.lines)}
        yield from ((found[name], name) for name in dict.fromkeys(line.get_label() for line in self.ax.lines))
