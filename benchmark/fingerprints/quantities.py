"""Named numbers in the order in which they arise, and projections that make a few numbers of many.

Everything fixed is drawn by integer arithmetic (splitmix64), which is exact on every machine and in every version of
numpy and torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
Quantity = str | list[float]
"""A text, which must stay equal, or a short vector of numbers, which may differ by rounding."""
Quantities = Mapping[str, Quantity]
PROJECTIONS = 3


class Book:
    """Quantities by name, in order; each name begins with the present ``place``."""

    def __init__(self) -> None:
        self.quantities: dict[str, Quantity] = {}
        self.place = ""

    @contextmanager
    def at(self, place: str) -> Iterator[None]:
        """Inside the block, names begin with one more part."""
        before, self.place = self.place, f"{self.place}{place}/"
        try:
            yield
        finally:
            self.place = before

    def numbers(self, name: str, *values: float) -> None:
        """Write down a few numbers as one vector: they are compared relative to the largest of them."""
        self._add(name, [float(v) for v in values])

    def text(self, name: str, value: object) -> None:
        """Write down what must be equal to the letter: texts, and whole numbers."""
        self._add(name, value if isinstance(value, str) else " ".join(map(str, _listed(value))))

    def vector(self, name: str, *values: Tensor | NDArray[np.generic]) -> None:
        """Write down the norm of all entries of some arrays together, and fixed random projections of them."""
        self._add(name, projected(np.concatenate([flat(v) for v in values]) if values else np.zeros(0)))

    def figures(self, found: Mapping[str, float]) -> None:
        """Write down figures by name; seconds and bytes differ from run to run, and are left out."""
        for name, value in found.items():
            if not name.startswith(("seconds.", "peak_bytes.")):
                self.numbers(name, value)

    def _add(self, name: str, value: Quantity) -> None:
        full, n = f"{self.place}{name}", 1
        while full in self.quantities:
            n += 1
            full = f"{self.place}{name} ({n})"
        self.quantities[full] = value


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else [value]


def flat(values: Tensor | NDArray[np.generic]) -> Floats:
    """All entries in float64, (n,)."""
    array = values.detach().cpu().double().numpy() if isinstance(values, Tensor) else np.asarray(values, np.float64)
    return array.reshape(-1)


def projected(x: Floats) -> list[float]:
    """‖x‖ and :data:`PROJECTIONS` random projections of x (n,): an error of any is judged relative to the norm."""
    return [float(np.linalg.norm(x)), *(_directions(len(x)) @ x).tolist()]


@lru_cache(maxsize=64)
def _directions(n: int) -> Floats:
    return uniform((PROJECTIONS, n), seed=n + 1)


def uniform(shape: Sequence[int], seed: int) -> Floats:
    """Fixed numbers in [-√3, √3), of variance 1, from a seed."""
    found: Floats = (2 * _bits(int(np.prod(shape)), seed) - 1).reshape(shape) * np.sqrt(3)
    return found


def normal(shape: Sequence[int], seed: int) -> Floats:
    """Fixed numbers that are nearly normal: sums of four of :func:`uniform`."""
    found: Floats = uniform((4, *shape), seed).sum(0) / 2
    return found


def _bits(n: int, seed: int) -> Floats:
    """Fixed numbers in [0, 1): splitmix64 (Steele et al., 2014), of which the highest 53 bits are used."""
    step, first, second = (np.uint64(v) for v in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
    z = np.arange(1, n + 1, dtype=np.uint64) * step + np.array([seed], dtype=np.uint64) * first
    z = (z ^ (z >> np.uint64(30))) * first
    z = (z ^ (z >> np.uint64(27))) * second
    found: Floats = ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / 2.0**53
    return found
