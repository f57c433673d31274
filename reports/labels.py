"""Where the names of points go: beside them, where they cover no point and no other name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Point = tuple[float, float]
_ROUNDS = 4
"""Passes over all names; each finds the best place for a name as the others lie now."""


@dataclass(frozen=True)
class Box:
    """A rectangle, by its corner of least x and least y."""

    x: float
    y: float
    width: float
    height: float

    def shared(self, other: Box) -> float:
        """The area that both cover."""
        across = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        along = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(0.0, across) * max(0.0, along)

    def holds(self, point: Point) -> bool:
        """Whether a point lies inside."""
        return 0 <= point[0] - self.x <= self.width and 0 <= point[1] - self.y <= self.height


def place(points: Sequence[Point], sizes: Sequence[Point], room: Box, radius: float) -> list[Box]:
    """A box of each size beside its point, inside ``room``, with as little covered as the tried places allow."""
    dots = [Box(x - radius, y - radius, 2 * radius, 2 * radius) for x, y in points]
    tried = [list(_around(p, size, radius)) for p, size in zip(points, sizes, strict=True)]
    chosen = [boxes[0] for boxes in tried]
    for _ in range(_ROUNDS):
        for k, boxes in enumerate(tried):
            others = [*dots, *chosen[:k], *chosen[k + 1 :]]
            costs = [_cost(box, others, room) + 0.5 * later for later, box in enumerate(boxes)]
            chosen[k] = boxes[costs.index(min(costs))]
    return chosen


def _around(point: Point, size: Point, radius: float) -> Iterator[Box]:
    """Places of a name, the best first: at the right, at the left, above, below, and the same further off."""
    (x, y), (width, height) = point, size
    middle = y - height / 2
    sides = (x + radius + 2, x - radius - 2 - width)
    for off in (0.0, 0.5, -0.5, 0.9, -0.9, 1.5, -1.5, 2.2, -2.2):
        for left in sides:
            yield Box(left, middle + off * height, width, height)
    for off in (0.8, -0.8, 1.6, -1.6):
        yield Box(x - width / 2, middle + off * (height + radius), width, height)


def _cost(box: Box, others: Sequence[Box], room: Box) -> float:
    """The area that is covered twice, and five times what lies outside."""
    outside = box.width * box.height - box.shared(room)
    return 5 * outside + sum(box.shared(other) for other in others)


def apart(wanted: Sequence[float], step: float) -> list[float]:
    """Places at least ``step`` apart, in the order of the (sorted) wanted ones, with the least squared distance.

    Neighbours that are too near are pooled: a pool lies around the mean of what its members want.
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
