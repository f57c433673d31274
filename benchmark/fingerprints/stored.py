"""Stored fingerprints: files, and what differs between two of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import BadInput
from ..plain_json import json_text, parse_json, write_whole
from .quantities import Quantities, Quantity

TOLERANCE = 1e-4
"""The largest relative difference that counts as rounding.

Clean ones stay below 4e-6 (the largest were found with torch 2.6 and AVX2); that of the smallest planted regression is
5e-3, see ``tests/regressions``.
"""
_TINY = 1e-30
_MISSING = "missing"


@dataclass(frozen=True)
class Difference:
    """A quantity that is not as stored; ``relative`` is infinite for texts, and where it exists on one side only."""

    quantity: str
    stored: str
    now: str
    relative: float

    @property
    def added(self) -> bool:
        """Whether the quantity is new: then it says nothing of those that were there."""
        return self.stored == _MISSING


@dataclass(frozen=True)
class Compared:
    """The comparison of one fingerprint: the quantities that differ, in order, and the largest difference of others."""

    name: str
    quantities: int
    differences: tuple[Difference, ...]
    largest: float

    @property
    def first(self) -> Difference | None:
        """Where the computation first went another way."""
        return self.differences[0] if self.differences else None

    @property
    def changed(self) -> bool:
        """Whether a quantity that was there is another one, or is gone."""
        return not all(difference.added for difference in self.differences)


def compared(name: str, stored: Quantities, now: Quantities) -> Compared:
    """Compare two fingerprints quantity by quantity, in the order of computation."""
    differences, largest = [], 0.0
    for key in _in_order(stored, now):
        a, b = stored.get(key), now.get(key)
        relative = math.inf if a is None or b is None else _distance(a, b)
        if relative > TOLERANCE:
            differences.append(Difference(key, _shown(a), _shown(b), relative))
        else:
            largest = max(largest, relative)
    return Compared(name, len(now), tuple(differences), largest)


def _in_order(stored: Quantities, now: Quantities) -> Iterator[str]:
    """The names of both, each missing one at its place in the computation: before the next name that both have."""
    left = [k for k in stored if k not in now]
    place = {k: n for n, k in enumerate(stored)}
    for key in now:
        while left and key in place and place[left[0]] < place[key]:
            yield left.pop(0)
        yield key
    yield from left


def _distance(a: Quantity, b: Quantity) -> float:
    """Max |a − b| relative to the largest entry of both; infinite for other texts, and for vectors of other lengths."""
    if isinstance(a, str) or isinstance(b, str):
        return 0.0 if a == b else math.inf
    x, y = np.array(a), np.array(b)
    if len(x) != len(y) or not np.array_equal(np.isnan(x), np.isnan(y)):
        return math.inf
    x, y = np.nan_to_num(x), np.nan_to_num(y)
    scale = max(np.abs(x).max(initial=0.0), np.abs(y).max(initial=0.0), _TINY)
    return float(np.abs(x - y).max(initial=0.0) / scale)


def _shown(value: Quantity | None) -> str:
    if value is None:
        return _MISSING
    text = value if isinstance(value, str) else " ".join(f"{v:.6g}" for v in value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def read_fingerprint(folder: Path, name: str) -> dict[str, Quantity] | None:
    """The stored fingerprint of a name, or None; raises BadInput for a file that is none."""
    file = folder / f"{name}.json"
    if not file.is_file():
        return None
    try:
        return {k: _read(v) for k, v in parse_json(file.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise BadInput(f"{file} is not a fingerprint ({error}); restore the file, or make a new one.") from None


def _read(value: object) -> Quantity:
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is neither a text nor a list of numbers")
    return [math.nan if v is None else float(v) for v in value]


def write_fingerprint(folder: Path, name: str, found: Quantities) -> None:
    """Write a fingerprint, one quantity per line in the order of computation, with 12 digits."""
    lines = [f"{json_text(key, ensure_ascii=False)}: {_written(value)}" for key, value in found.items()]
    write_whole(folder / f"{name}.json", "{\n" + ",\n".join(lines) + "\n}\n")


def _written(value: Quantity) -> str:
    if isinstance(value, str):
        return json_text(value, ensure_ascii=False)
    return f"[{', '.join('null' if math.isnan(v) else f'{v:.12g}' for v in value)}]"
