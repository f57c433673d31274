"""The twelve classes of the toybox world, drawn as polygons in units of the subject's radius.

A figure is a list of :class:`Part`. Coordinates: x to the right, y down, the subject within about [-1.3, 1.3].
Parts filled with ``pattern`` have the individual's colours and pattern; ``second`` parts have its second colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

Point = tuple[float, float]
Colour = tuple[int, int, int]

INK: Colour = (28, 26, 34)
WHITE: Colour = (246, 246, 246)
GOLD: Colour = (245, 195, 60)


@dataclass(frozen=True)
class Build:
    """Proportions of an individual, as factors of the class's usual size (0.7 to 1.35)."""

    girth: float = 1.0
    limb: float = 1.0
    ear: float = 1.0
    eye: float = 1.0


@dataclass(frozen=True)
class Part:
    """One filled polygon: its corners, and its fill, which is ``pattern``, ``second`` or a colour."""

    points: tuple[Point, ...]
    fill: str | Colour


@dataclass(frozen=True)
class Figure:
    """A subject's parts from back to front, and the point where an accessory sits."""

    parts: tuple[Part, ...]
    head: Point


def ellipse(x: float, y: float, rx: float, ry: float, start: float = 0.0, end: float = 360.0) -> tuple[Point, ...]:
    """The corners of an ellipse, or of its sector between two angles in degrees (clockwise, y down)."""
    n = 28
    angles = [math.radians(start + (end - start) * k / n) for k in range(n + 1)]
    return tuple((x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles)


def box(x0: float, y0: float, x1: float, y1: float) -> tuple[Point, ...]:
    """The corners of an upright rectangle."""
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def _eyes(x: float, y: float, size: float) -> list[Part]:
    return [Part(ellipse(s * x, y, size, size * 1.15), INK) for s in (-1, 1)]


def _mirrored(points: tuple[Point, ...], fill: str | Colour) -> list[Part]:
    return [Part(points, fill), Part(tuple((-x, y) for x, y in points), fill)]


def cat(b: Build) -> Figure:
    """A sitting cat with pointed ears and a raised tail."""
    tip = -0.85 - 0.5 * b.ear
    parts = [
        Part(((0.5, 0.75), (1.0, 0.55), (1.0, -0.3), (1.22, -0.3), (1.22, 0.7), (0.6, 0.98)), "pattern"),
        *_mirrored(((-0.62, -0.5), (-0.58, tip), (-0.08, -0.85)), "second"),
        Part(ellipse(0, 0.4, 0.72 * b.girth, 0.66), "pattern"),
        Part(ellipse(0, -0.45, 0.66, 0.54), "pattern"),
        *_mirrored(ellipse(0.3, 1.0, 0.24 * b.limb, 0.14), "second"),
        *_eyes(0.27, -0.52, 0.11 * b.eye),
        Part(ellipse(0, -0.26, 0.1, 0.07), INK),
    ]
    return Figure(tuple(parts), (0, -0.95))


def dog(b: Build) -> Figure:
    """A sitting dog with hanging ears and a white muzzle."""
    parts = [
        Part(ellipse(0, 0.42, 0.74 * b.girth, 0.64), "pattern"),
        Part(ellipse(0, -0.42, 0.62, 0.56), "pattern"),
        *_mirrored(ellipse(0.7, -0.28, 0.22, 0.58 * b.ear), "second"),
        Part(ellipse(0, -0.16, 0.34, 0.26), WHITE),
        Part(ellipse(0, -0.27, 0.14, 0.1), INK),
        *_mirrored(ellipse(0.34, 1.0, 0.26 * b.limb, 0.15), "second"),
        *_eyes(0.26, -0.56, 0.1 * b.eye),
    ]
    return Figure(tuple(parts), (0, -0.95))


def fish(b: Build) -> Figure:
    """A fish facing left."""
    parts = [
        Part(((0.65, 0), (1.35, -0.65 * b.limb), (1.15, 0), (1.35, 0.65 * b.limb)), "second"),
        Part(((-0.3, -0.5), (0.25, -0.72 - 0.35 * b.ear), (0.5, -0.4)), "second"),
        Part(ellipse(-0.1, 0, 1.05, 0.68 * b.girth), "pattern"),
        Part(ellipse(-0.7, -0.14, 0.2 * b.eye, 0.2 * b.eye), WHITE),
        Part(ellipse(-0.74, -0.14, 0.1 * b.eye, 0.1 * b.eye), INK),
    ]
    return Figure(tuple(parts), (-0.25, -0.62))


def bird(b: Build) -> Figure:
    """A standing bird facing left."""
    parts = [
        *[Part(box(x, 0.6, x + 0.13, 0.8 + 0.35 * b.limb), GOLD) for x in (-0.25, 0.15)],
        Part(((0.5, 0.0), (1.35, -0.4), (1.25, 0.25)), "second"),
        Part(ellipse(0.1, 0.15, 0.85, 0.62 * b.girth), "pattern"),
        Part(((-0.85, -0.6), (-1.35, -0.42), (-0.85, -0.3)), GOLD),
        Part(ellipse(-0.5, -0.5, 0.46, 0.46), "pattern"),
        Part(ellipse(0.3, 0.12, 0.42 * b.ear, 0.28), "second"),
        Part(ellipse(-0.62, -0.58, 0.11 * b.eye, 0.12 * b.eye), INK),
    ]
    return Figure(tuple(parts), (-0.5, -0.92))


def house(b: Build) -> Figure:
    """A house with a roof, a door and two windows."""
    w = 0.95 * b.girth
    window, glass = 0.17 * b.eye, (175, 220, 245)
    parts = [
        Part(box(-w, -0.3, w, 1.05), "pattern"),
        Part(((-w - 0.25, -0.25), (0, -0.6 - 0.6 * b.ear), (w + 0.25, -0.25)), "second"),
        Part(box(-0.22, 0.95 - 0.6 * b.limb, 0.22, 1.05), (95, 60, 40)),
        *_mirrored(box(0.55 - window, 0.2 - window, 0.55 + window, 0.2 + window), glass),
    ]
    return Figure(tuple(parts), (0, -0.6 - 0.5 * b.ear))


def car(b: Build) -> Figure:
    """A car from the side, bonnet to the left."""
    top = -0.45 - 0.3 * b.ear
    wheel = 0.32 * b.limb
    parts = [
        Part(((-0.75, -0.05), (-0.45, top), (0.55, top), (0.95, -0.05)), "second"),
        Part(((-0.55, -0.08), (-0.36, top + 0.12), (0.0, top + 0.12), (0.0, -0.08)), (190, 228, 248)),
        Part(((0.12, -0.08), (0.12, top + 0.12), (0.46, top + 0.12), (0.72, -0.08)), (190, 228, 248)),
        Part(((-1.3, 0.1), (-1.1, -0.1), (1.15, -0.1), (1.3, 0.1), (1.3, 0.62), (-1.3, 0.62)), "pattern"),
        *[Part(ellipse(x, 0.64, wheel, wheel), INK) for x in (-0.75, 0.75)],
        *[Part(ellipse(x, 0.64, wheel * 0.45, wheel * 0.45), (200, 200, 205)) for x in (-0.75, 0.75)],
        Part(ellipse(-1.18, 0.18, 0.13 * b.eye, 0.13 * b.eye), (255, 240, 150)),
    ]
    return Figure(tuple(parts), (0.05, top))


def mushroom(b: Build) -> Figure:
    """A mushroom with a patterned cap."""
    parts = [
        Part(box(-0.36 * b.limb, -0.05, 0.36 * b.limb, 1.1), (246, 236, 214)),
        Part(box(-0.5 * b.ear, 0.0, 0.5 * b.ear, 0.2), "second"),
        Part(ellipse(0, 0.05, 1.15 * b.girth, 1.1, 180, 360), "pattern"),
    ]
    return Figure(tuple(parts), (0, -1.0))


def cup(b: Build) -> Figure:
    """A cup with its handle to the right."""
    w = 0.74 * b.girth
    ring = ellipse(w, 0.1, 0.52 * b.ear, 0.5, -90, 90) + ellipse(w, 0.1, 0.28 * b.ear, 0.27, 90, -90)
    parts = [
        Part(ring, "second"),
        Part(((-w, -0.75), (w, -0.75), (w - 0.12, 0.95), (-w + 0.12, 0.95)), "pattern"),
        Part(ellipse(0, -0.75, w, 0.2 * b.limb), "second"),
    ]
    return Figure(tuple(parts), (0, -0.8))


def robot(b: Build) -> Figure:
    """A robot with a square head and an aerial."""
    w = 0.62 * b.girth
    arm = ((w, 0.0), (w + 0.45 * b.limb, 0.42), (w + 0.3 * b.limb, 0.58), (w, 0.3))
    parts = [
        *_mirrored(arm, "second"),
        *_mirrored(box(0.16, 0.7, 0.48, 1.15), "second"),
        Part(box(-w, -0.2, w, 0.85), "pattern"),
        Part(box(-0.06, -1.05 - 0.25 * b.ear, 0.06, -0.9), INK),
        Part(ellipse(0, -1.08 - 0.25 * b.ear, 0.13, 0.13), "second"),
        Part(box(-0.58, -1.0, 0.58, -0.22), "pattern"),
        *_mirrored(ellipse(0.25, -0.68, 0.16 * b.eye, 0.16 * b.eye), (255, 240, 120)),
        Part(box(-0.28, -0.45, 0.28, -0.35), INK),
    ]
    return Figure(tuple(parts), (0, -1.0))


def flower(b: Build) -> Figure:
    """A flower with six petals on a stem with a leaf."""
    petal = 0.37 * b.girth
    spots = [(0.55 * math.cos(k * math.pi / 3), -0.35 + 0.55 * math.sin(k * math.pi / 3)) for k in range(6)]
    parts = [
        Part(box(-0.08, 0.3, 0.08, 1.2), (60, 140, 70)),
        Part(ellipse(0.4, 0.85, 0.36 * b.limb, 0.15), (75, 160, 80)),
        *[Part(ellipse(x, y, petal, petal), "pattern") for x, y in spots],
        Part(ellipse(0, -0.35, 0.32 * b.ear, 0.32 * b.ear), "second"),
    ]
    return Figure(tuple(parts), (0, -1.1))


def butterfly(b: Build) -> Figure:
    """A butterfly with open wings."""
    parts = [
        *_mirrored(((0.04, -0.65), (0.3, -1.15), (0.38, -1.1), (0.1, -0.6)), INK),
        *_mirrored(ellipse(0.52, 0.5, 0.45, 0.46 * b.limb), "second"),
        *_mirrored(ellipse(0.66, -0.3, 0.6 * b.girth, 0.55), "pattern"),
        *_mirrored(ellipse(0.7, -0.35, 0.2 * b.eye, 0.2 * b.eye), "second"),
        Part(ellipse(0, 0.02, 0.14 * b.ear, 0.8), INK),
    ]
    return Figure(tuple(parts), (0, -0.75))


def turtle(b: Build) -> Figure:
    """A turtle facing left."""
    skin = (120, 175, 95)
    parts = [
        *[Part(ellipse(x, 0.55, 0.24 * b.limb, 0.26), skin) for x in (-0.55, 0.65)],
        Part(ellipse(-1.05, 0.12, 0.36 * b.ear, 0.3), skin),
        Part(ellipse(-1.16, 0.06, 0.08 * b.eye, 0.09 * b.eye), INK),
        Part(ellipse(0.1, 0.35, 1.0 * b.girth, 1.15, 180, 360), "pattern"),
        Part(box(0.1 - 1.05 * b.girth, 0.28, 0.1 + 1.05 * b.girth, 0.48), "second"),
    ]
    return Figure(tuple(parts), (0.1, -0.75))


FIGURES: dict[str, Callable[[Build], Figure]] = {
    f.__name__: f for f in (cat, dog, fish, bird, house, car, mushroom, cup, robot, flower, butterfly, turtle)
}

ACCESSORIES: dict[str, tuple[tuple[tuple[Point, ...], int], ...]] = {
    "hat": ((((-0.42, 0.08), (0.42, 0.08), (0, -0.72)), 0), (ellipse(0, -0.72, 0.13, 0.13), 1)),
    "crown": (
        (((-0.46, 0.1), (-0.5, -0.5), (-0.22, -0.18), (0, -0.55), (0.22, -0.18), (0.5, -0.5), (0.46, 0.1)), 0),
        (ellipse(0, -0.06, 0.1, 0.1), 1),
    ),
    "tophat": (
        (box(-0.52, -0.06, 0.52, 0.1), 0),
        (box(-0.32, -0.68, 0.32, -0.06), 0),
        (box(-0.32, -0.26, 0.32, -0.06), 1),
    ),
    "bow": (
        (((0, 0), (-0.5, -0.3), (-0.5, 0.3)), 0),
        (((0, 0), (0.5, -0.3), (0.5, 0.3)), 0),
        (ellipse(0, 0, 0.14, 0.14), 1),
    ),
}
"""The polygons of each accessory, relative to the head, each with the index (0 or 1) of its colour."""
