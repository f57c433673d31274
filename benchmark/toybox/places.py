"""The eight places of the toybox world: smooth backgrounds, drawn with numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Rgb = tuple[int, int, int]
SIZE = 64


def _ramp(top: Rgb, bottom: Rgb) -> Image:
    t = np.linspace(0, 1, SIZE, dtype=np.float32)[:, None, None]
    return np.broadcast_to((1 - t) * np.array(top, np.float32) + t * np.array(bottom, np.float32), (SIZE, SIZE, 3))


def _over(below: Image, above: Image, alpha: NDArray[np.float32]) -> Image:
    return below + (above - below) * alpha[..., None]


def _ground(rng: np.random.Generator, sky: tuple[Rgb, Rgb], soil: tuple[Rgb, Rgb], hill: float = 0.0) -> Image:
    """A sky over a ground; the horizon is at 0.55 to 0.63 of the height, curved by ``hill`` pixels."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    edge = SIZE * rng.uniform(0.55, 0.63) + hill * np.sin(x / SIZE * 3.1 + rng.uniform(0, 6.3))
    return _over(_ramp(*sky), _ramp(*soil), np.clip(y - edge + 0.5, 0, 1))


def _stamp(image: Image, x0: float, y0: float, x1: float, y1: float, colour: Rgb) -> Image:
    """Paint an upright rectangle with soft edges."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    alpha = np.clip(x - x0 + 0.5, 0, 1) * np.clip(x1 - x + 0.5, 0, 1)
    alpha = alpha * np.clip(y - y0 + 0.5, 0, 1) * np.clip(y1 - y + 0.5, 0, 1)
    return _over(image, np.broadcast_to(np.array(colour, np.float32), image.shape), alpha)


def _disc(image: Image, x0: float, y0: float, r: float, colour: Rgb) -> Image:
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    alpha = np.clip(r - np.hypot(x - x0, y - y0) + 0.5, 0, 1)
    return _over(image, np.broadcast_to(np.array(colour, np.float32), image.shape), alpha)


def grass(rng: np.random.Generator) -> Image:
    """A meadow under a blue sky."""
    return _ground(rng, ((110, 180, 240), (200, 225, 245)), ((140, 205, 100), (55, 130, 50)), 1.5)


def snow(rng: np.random.Generator) -> Image:
    """White hills under a pale violet sky."""
    return _ground(rng, ((165, 165, 205), (205, 205, 230)), ((240, 244, 250), (225, 232, 246)), 3.0)


def beach(rng: np.random.Generator) -> Image:
    """Sky, a strip of sea, and sand."""
    image = _ground(rng, ((120, 200, 245), (190, 230, 245)), ((250, 228, 170), (235, 205, 140)))
    y = SIZE * rng.uniform(0.46, 0.5)
    return _stamp(image, -1, y, SIZE, y + SIZE * 0.12, (40, 150, 195))


def desert(rng: np.random.Generator) -> Image:
    """Orange dunes under a yellow sky."""
    return _ground(rng, ((250, 205, 120), (252, 228, 175)), ((225, 140, 70), (175, 90, 45)), 4.0)


def night(rng: np.random.Generator) -> Image:
    """A dark field under a moon."""
    image = _ground(rng, ((10, 12, 45), (40, 45, 100)), ((28, 40, 45), (14, 20, 28)))
    return _disc(image, SIZE * rng.uniform(0.14, 0.2), SIZE * rng.uniform(0.12, 0.17), 5.5, (250, 245, 205))


def sea(rng: np.random.Generator) -> Image:
    """Open water with broad waves."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    edge = SIZE * rng.uniform(0.36, 0.42)
    wave = 12 * np.sin(y / 2.6 + rng.uniform(0, 6.3) + np.sin(x / 9.0))
    water = _ramp((40, 130, 190), (10, 60, 130)) + wave[..., None]
    return _over(_ramp((160, 215, 240), (215, 238, 245)), water.astype(np.float32), np.clip(y - edge + 0.5, 0, 1))


def forest(rng: np.random.Generator) -> Image:
    """Dark green with four broad trunks."""
    image = _ground(rng, ((95, 150, 105), (60, 110, 70)), ((70, 85, 45), (45, 60, 30)))
    for k in range(4):
        x = SIZE * (k + rng.uniform(0.1, 0.5)) / 4
        image = _stamp(image, x, -1, x + 6, SIZE * 0.66, (88, 58, 38))
    return image


def room(rng: np.random.Generator) -> Image:
    """A wall with a window, and a wooden floor."""
    image = _ground(rng, ((232, 205, 190), (238, 214, 198)), ((165, 110, 72), (130, 82, 52)))
    x = SIZE * rng.uniform(0.66, 0.72)
    image = _stamp(image, x, 5, x + 15, 22, (252, 252, 252))
    return _stamp(image, x + 2, 7, x + 13, 20, (150, 205, 240))


PLACES: dict[str, Callable[[np.random.Generator], Image]] = {
    f.__name__: f for f in (grass, snow, beach, desert, night, sea, forest, room)
}


def background(place: str, rng: np.random.Generator) -> Image:
    """Draw a place with small variations in brightness; float32 (64, 64, 3) in [0, 255]."""
    image = PLACES[place](rng)
    light = rng.uniform(0.95, 1.05, size=3).astype(np.float32)
    drawn: Image = np.clip(image * light, 0, 255).astype(np.float32)
    return drawn
