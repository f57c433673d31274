"""What is measured, and the rows that come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from .paired import Pair, Spread, ratios_of

Unit = Literal["ratio", "share", "exponent", "seconds", "megabytes"]


@dataclass(frozen=True)
class Row:
    """One line of the table: what was measured, against what, and the spread of ``n`` values in a unit.

    ``ratio``: seconds of cpbench / seconds of the other, in pairs. ``share``: of all CPU seconds, from 0 to 1.
    ``exponent``: of the growth with the number of tasks T, fitted to ``counts``, which are by T. A row that could not
    be measured has no values, and a ``note`` that gives the reason.
    """

    part: str
    what: str
    against: str
    unit: Unit
    median: float | None = None
    least: float | None = None
    most: float | None = None
    n: int = 0
    counts: Mapping[int, int] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Measurement:
    """A measurement that takes a while: what it measures, and what makes its rows."""

    what: str
    make: Callable[[], Sequence[Row]]


def ratio_row(part: str, what: str, against: str, pairs: Sequence[Pair]) -> Row:
    """The row of paired seconds."""
    return spread_row(part, what, against, "ratio", ratios_of(pairs))


def spread_row(part: str, what: str, against: str, unit: Unit, found: Spread, note: str = "") -> Row:
    """The row of a spread."""
    return Row(part, what, against, unit, found.median, found.least, found.most, found.n, note=note)
