"""Where to write the names of points: beside them, where they cover no point and no other name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]
"""Arrays over n rectangles; rectangles themselves are (n, 4): least x, least y, width, height."""
Point = tuple[float, float]
_ROUNDS = 4
"""Passes over all names; each finds the best place of every name, given the current places of the others."""


@dataclass(frozen=True)
class Box:
    """A rectangle: its corner of least x and least y, and its size."""

    x: float
    y: float
    width: float
    height: float

    def shared(self, other: Box) -> float:
        """The area that both rectangles cover."""
        return float(_shared(_rows([self]), _rows([other]))[0, 0])

    def held(self, points: Rows) -> int:
        """How many of some points, (n, 2), are inside."""
        offset = points - (self.x, self.y)
        return int(((offset >= 0) & (offset <= (self.width, self.height))).all(axis=1).sum())

    def nearest(self, point: Point) -> Point:
        """The point of the rectangle that is nearest to a given point."""
        x, y = point
        return min(max(x, self.x), self.x + self.width), min(max(y, self.y), self.y + self.height)

    def far(self, point: Point, radius: float) -> bool:
        """Whether a name in this rectangle needs a line to its point."""
        return math.dist(self.nearest(point), point) > radius + 6


def place(points: Sequence[Point], sizes: Sequence[Point], room: Box, radius: float) -> list[Box]:
    """A box for each name near its point, inside ``room``, that covers as little as the tried places allow."""
    dots = _rows([Box(x - radius, y - radius, 2 * radius, 2 * radius) for x, y in points])
    tried = [list(_around(p, size, radius)) for p, size in zip(points, sizes, strict=True)]
    rows = [_rows([box for box, _ in boxes]) for boxes in tried]
    costs = [_alone(row, boxes, dots, room) for row, boxes in zip(rows, tried, strict=True)]
    chosen = np.array([row[0] for row in rows]).reshape(len(points), 4)
    best = [0] * len(points)
    for _ in range(_ROUNDS):
        for k, row in enumerate(rows):
            others = np.delete(chosen, k, axis=0)
            best[k] = int(np.argmin(costs[k] + _shared(row, others).sum(axis=1)))
            chosen[k] = row[best[k]]
    return [boxes[k][0] for boxes, k in zip(tried, best, strict=True)]


def _around(point: Point, size: Point, radius: float) -> Iterator[tuple[Box, float]]:
    """Places of a name with their costs: beside the point, above and below, and around it further away."""
    (x, y), (width, height) = point, size
    middle = y - height / 2
    for off in (0.0, 0.5, -0.5, 0.9, -0.9):
        yield Box(x + radius + 2, middle + off * height, width, height), 6 * abs(off)
        yield Box(x - radius - 2 - width, middle + off * height, width, height), 1 + 6 * abs(off)
    for sign in (1, -1):
        yield Box(x - width / 2, middle + sign * 0.8 * (height + radius), width, height), 6.0
    for away in (2.0, 3.5, 5.0, 7.0):
        for turn in range(12):
            dx, dy = away * height * math.cos(turn * math.pi / 6), away * height * math.sin(turn * math.pi / 6)
            left = x + dx - (width if dx < -1 else 0 if dx > 1 else width / 2)
            yield Box(left, middle + dy, width, height), 8.0 * away


def _alone(row: Rows, boxes: Sequence[tuple[Box, float]], dots: Rows, room: Box) -> Rows:
    """What places cost by themselves: distance, the points that they cover, and the area outside of the room."""
    area, inside = row[:, 2] * row[:, 3], _shared(row, _rows([room]))[:, 0]
    cost: Rows = np.array([cost for _, cost in boxes]) + _shared(row, dots).sum(axis=1) + 5 * (area - inside)
    return cost


def _rows(boxes: Sequence[Box]) -> Rows:
    return np.array([(b.x, b.y, b.width, b.height) for b in boxes]).reshape(len(boxes), 4)


def _shared(first: Rows, second: Rows) -> Rows:
    """The areas that each of n and each of m rectangles share, (n, m)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, :2] + first[:, None, 2:], second[None, :, :2] + second[None, :, 2:])
    shared: Rows = np.clip(high - low, 0, None).prod(axis=2)
    return shared


def apart(wanted: Sequence[float], step: float) -> list[float]:
    """Places at least ``step`` apart, in the order of the (sorted) wanted ones, at the least squared distance to them.

    Neighbours that are too near are pooled: a pool is centred at the mean of the places that its members want.
    """
    pools: list[tuple[float, int]] = []
    for k, want in enumerate(wanted):
        mean, n = want - k * step, 1
        while pools and pools[-1][0] > mean:
            before, m = pools.pop()
            mean, n = (before * m + mean * n) / (m + n), m + n
        pools.append((mean, n))
    levels = [mean for mean, n in pools for _ in range(n)]
    return [level + k * step for k, level in enumerate(levels)]


def subs(low: float, high: float) -> tuple[float, ...]:
    """The ticks per decade of a logarithmic axis: more of them on a shorter axis."""
    decades = math.log10(high / low)
    every = ((1.0, (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)), (2.5, (1.0, 2.0, 5.0)), (3.5, (1.0, 3.0)))
    return next((ticks for most, ticks in every if decades < most), (1.0,))
