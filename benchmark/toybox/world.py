"""The toybox world: it renders scenes from a seed, with individuals that captions can or cannot describe.

A scene is a place with one or two subjects. A subject has a class, two colours, a pattern, proportions, perhaps an
accessory, and a pose. Rendering needs numpy and Pillow only.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .figures import ACCESSORIES, FIGURES, INK, Build, Colour, Point
from .places import PLACES, SIZE, background

COLOURS: dict[str, Colour] = {
    "red": (214, 40, 40),
    "orange": (245, 140, 30),
    "yellow": (248, 222, 60),
    "green": (50, 165, 75),
    "blue": (45, 90, 215),
    "purple": (135, 60, 175),
    "pink": (245, 135, 185),
    "white": (242, 242, 242),
    "black": (45, 45, 52),
    "brown": (128, 82, 48),
}
PATTERNS = ("plain", "striped", "spotted", "checkered")
CLASSES = tuple(FIGURES)
ACCESSORY_COLOURS: dict[str, tuple[Colour, Colour]] = {
    "hat": ((230, 50, 120), (255, 240, 90)),
    "crown": ((250, 205, 40), (200, 40, 60)),
    "tophat": ((60, 58, 70), (200, 45, 45)),
    "bow": ((70, 200, 220), (30, 110, 140)),
}
Picture = NDArray[np.uint8]
_SUPERSAMPLING = 3  # drawn at 192 × 192 and reduced, for smooth edges
_RADIUS = 0.31  # of a single subject, as a fraction of the frame
SIDES, BESIDE = (0.27, 0.73), 0.2  # x of two subjects, and their radius


@dataclass(frozen=True)
class Individual:
    """One thing of the world: what is the same in all of its pictures."""

    noun: str
    colours: tuple[Colour, Colour]
    pattern: str = "plain"
    phase: float = 0.25
    period: float = 0.55
    build: Build = field(default_factory=Build)
    accessory: str | None = None
    accessory_colours: tuple[Colour, Colour] | None = None


@dataclass(frozen=True)
class Pose:
    """The position of a subject: centre and radius as fractions of the frame, rotation in degrees."""

    x: float = 0.5
    y: float = 0.55
    radius: float = _RADIUS
    turn: float = 0.0
    flipped: bool = False


def _clamp(values: NDArray[np.float64]) -> Colour:
    r, g, b = (int(v) for v in np.clip(values, 0, 255))
    return (r, g, b)


def _shade(colour: Colour, factor: float = 0.6) -> Colour:
    return _clamp(np.array(colour) * factor)


class _Canvas:
    """A transparent canvas on which a subject is drawn part by part, with dark outlines."""

    def __init__(self, pose: Pose) -> None:
        self.size = SIZE * _SUPERSAMPLING
        self.pose = pose
        self.unit = pose.radius * self.size / 1.12
        self.layer = Image.new("RGBA", (self.size, self.size), (*INK, 0))
        self.draw = ImageDraw.Draw(self.layer)
        turn = math.radians(pose.turn)
        self.cos, self.sin = math.cos(turn), math.sin(turn)

    def place(self, p: Point) -> Point:
        x = -p[0] if self.pose.flipped else p[0]
        x, y = x * self.cos - p[1] * self.sin, x * self.sin + p[1] * self.cos
        return (self.pose.x * self.size + x * self.unit, self.pose.y * self.size + y * self.unit)

    def fill(self, points: tuple[Point, ...], paint: Colour | Image.Image) -> None:
        corners = [self.place(p) for p in points]
        width = max(2, round(0.11 * self.unit))
        self.draw.line([*corners, corners[0], corners[1]], fill=(*INK, 255), width=width, joint="curve")
        if isinstance(paint, Image.Image):
            mask = Image.new("L", self.layer.size, 0)
            ImageDraw.Draw(mask).polygon(corners, fill=255)
            self.layer.paste(paint, (0, 0), mask)
        else:
            self.draw.polygon(corners, fill=(*paint, 255))

    def coordinates(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The subject's own x and y, in radii, at every pixel, so that patterns move with the subject."""
        y, x = np.mgrid[0 : self.size, 0 : self.size].astype(np.float32)
        dx, dy = (x - self.pose.x * self.size) / self.unit, (y - self.pose.y * self.size) / self.unit
        u, v = dx * self.cos + dy * self.sin, dy * self.cos - dx * self.sin
        return (-u if self.pose.flipped else u), v


def _coat(one: Individual, canvas: _Canvas) -> Colour | Image.Image:
    """The fill of the patterned parts: a plain colour, or a picture of the pattern."""
    if one.pattern == "plain":
        return one.colours[0]
    u, v = canvas.coordinates()
    a, b = (u / one.period + one.phase) % 1, (v / one.period + one.phase) % 1
    if one.pattern == "striped":
        second = a < 0.45
    elif one.pattern == "spotted":
        second = (a - 0.5) ** 2 + (b - 0.5) ** 2 < 0.32**2
    else:
        second = (a < 0.5) ^ (b < 0.5)
    pixels = np.where(second[..., None], np.array(one.colours[1]), np.array(one.colours[0])).astype(np.uint8)
    return Image.fromarray(pixels).convert("RGBA")


def draw_subject(one: Individual, pose: Pose) -> Image.Image:
    """Draw one individual in one pose on a transparent 64 × 64 picture."""
    canvas = _Canvas(pose)
    coat = _coat(one, canvas)
    second = one.colours[1] if one.pattern != "plain" else _shade(one.colours[0])
    if one.pattern == "plain" and one.accessory_colours is not None:
        second = one.colours[1]
    figure = FIGURES[one.noun](one.build)
    for part in figure.parts:
        canvas.fill(
            part.points, {"pattern": coat, "second": second}[part.fill] if isinstance(part.fill, str) else part.fill
        )
    if one.accessory is not None:
        colours = one.accessory_colours or ACCESSORY_COLOURS[one.accessory]
        x0, y0 = figure.head
        for points, index in ACCESSORIES[one.accessory]:
            canvas.fill(tuple((x0 + x, y0 + y) for x, y in points), colours[index])
    return canvas.layer.reduce(_SUPERSAMPLING)


def render(place: str, subjects: list[tuple[Individual, Pose]], rng: np.random.Generator) -> Picture:
    """Draw a scene: a place and its subjects, back to front; uint8 (64, 64, 3)."""
    scene = Image.fromarray(background(place, rng).astype(np.uint8))
    for one, pose in subjects:
        layer = draw_subject(one, pose)
        scene.paste(layer, (0, 0), layer)
    return np.asarray(scene)


def random_pose(rng: np.random.Generator, x: float = 0.5, radius: float = _RADIUS) -> Pose:
    """Draw a pose: position ± 4 % of the frame, size ± 6 %, rotation ± 5 degrees, mirrored with probability 0.5."""
    dx, dy, scale, turn = rng.uniform(-1, 1, 4)
    return Pose(x + 0.04 * dx, 0.55 + 0.04 * dy, radius * (1 + 0.06 * scale), 5 * turn, bool(rng.random() < 0.5))


def random_build(rng: np.random.Generator, spread: float) -> Build:
    """Draw proportions, each a factor in ``1 ± spread``."""
    return Build(*(1 + spread * rng.uniform(-1, 1, 4)))


def common_individual(rng: np.random.Generator) -> Individual:
    """Draw an individual that a caption can describe: named colours, a named pattern, usual proportions."""
    first, second = rng.choice(len(COLOURS), 2, replace=False)
    names = list(COLOURS)
    jitter = rng.normal(0, 7, (2, 3))
    colours = (
        _clamp(np.array(COLOURS[names[first]]) + jitter[0]),
        _clamp(np.array(COLOURS[names[second]]) + jitter[1]),
    )
    accessory = str(rng.choice(list(ACCESSORIES))) if rng.random() < 0.25 else None
    return Individual(
        noun=str(rng.choice(CLASSES)),
        colours=colours,
        pattern=str(rng.choice(PATTERNS, p=[0.4, 0.2, 0.2, 0.2])),
        phase=rng.uniform(0.2, 0.3),
        period=rng.uniform(0.5, 0.6),
        build=random_build(rng, 0.12),
        accessory=accessory,
    )


def _unusual_colour(rng: np.random.Generator, away_from: list[Colour]) -> Colour:
    """Draw a colour at least 55 away (Euclidean, RGB in [0, 255]) from all given ones, so that it has no name."""
    while True:
        r, g, b = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.35, 0.95), rng.uniform(0.4, 1.0))
        colour = (int(255 * r), int(255 * g), int(255 * b))
        if all(math.dist(colour, c) >= 55 for c in away_from):
            return colour


def unusual_individual(noun: str, seed: int) -> Individual:
    """Draw an individual that captions cannot describe: colours without a name, own proportions, pattern, accessory."""
    rng = np.random.default_rng([seed, CLASSES.index(noun)])
    named = list(COLOURS.values())
    first = _unusual_colour(rng, named)
    second = first
    while math.dist(first, second) < 130:
        second = _unusual_colour(rng, named)
    accessory = str(rng.choice(list(ACCESSORIES))) if rng.random() < 0.5 else None
    return Individual(
        noun=noun,
        colours=(first, second),
        pattern=str(rng.choice(PATTERNS)),
        phase=rng.uniform(0, 1),
        period=rng.uniform(0.42, 0.75),
        build=random_build(rng, 0.3),
        accessory=accessory,
        accessory_colours=(_unusual_colour(rng, []), _unusual_colour(rng, [])),
    )


def portrait(individuals: Sequence[Individual], seed: int, place: str) -> Picture:
    """Draw one individual in the middle, or two smaller ones side by side, in ``place``; uint8 (64, 64, 3)."""
    rng = np.random.default_rng([seed, 77])
    rng.choice(len(PLACES))  # an earlier version drew a place here; the pictures of all concepts depend on it
    poses = [random_pose(rng)] if len(individuals) == 1 else [random_pose(rng, x, BESIDE) for x in SIDES]
    return render(place, list(zip(individuals, poses, strict=True)), rng)


def portraits(individuals: Sequence[Individual], n: int, seed: int) -> list[Picture]:
    """Draw ``n`` portraits of one or two individuals, cycling through the places in an order that the seed decides."""
    places = list(PLACES)
    order = np.random.default_rng([seed, 78]).permutation(len(places))
    return [portrait(individuals, seed * 10_000 + k, places[order[k % len(places)]]) for k in range(n)]
