"""Cells of tables and heat maps, as the templates want them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...benchmark.continual import Matrix
from ..plots import label_of
from ..stats import Estimate


@dataclass(frozen=True)
class Cell:
    """A value to sort by (None: nothing), its text, its interval, and a class that marks it."""

    value: float | None
    text: str
    interval: str = ""
    mark: str = ""


NOTHING = Cell(None, "–")


def number(estimate: Estimate | None, show: Callable[[float], str], mark: str = "") -> Cell:
    """An estimate with its interval where it has one."""
    if estimate is None or math.isnan(estimate.value):
        return NOTHING
    interval = ""
    if estimate.interval is not None:
        interval = f"[{show(estimate.interval[0])}, {show(estimate.interval[1])}]"
    return Cell(round(estimate.value, 9), show(estimate.value), interval, mark)


def plain(value: float, text: str | None = None) -> Cell:
    """A number without interval."""
    return NOTHING if math.isnan(value) else Cell(round(value, 9), text or f"{value:g}")


@dataclass(frozen=True)
class HeatCell:
    """A cell of a heat map: ``share`` of the full colour, text (empty: not measured), and a class that marks it."""

    share: float
    text: str
    mark: str


@dataclass(frozen=True)
class HeatRow:
    """A row of a heat map."""

    name: str
    cells: list[HeatCell]


@dataclass(frozen=True)
class HeatMap:
    """A heat map as a table."""

    title: str
    columns: Sequence[str]
    rows: list[HeatRow]


def heat_map(metric: str, r: Matrix, names: Sequence[str], *, higher: bool = True) -> HeatMap:
    """R as a table; colours go from the least to the greatest value, or from 0 to 100 for shares.

    Rows in which nothing was measured are left out.
    """
    factor, label = label_of(metric, higher=higher)
    seen = r[r == r] * factor
    low, high = (0.0, 100.0) if factor == 100 else (float(seen.min()), float(seen.max())) if seen.size else (0.0, 1.0)
    rows = [
        HeatRow(
            "base" if i == 0 else names[i - 1], [_heat(factor * v, low, high, i == j + 1) for j, v in enumerate(row)]
        )
        for i, row in enumerate(r)
        if (row == row).any()
    ]
    return HeatMap(label, names, rows)


def _heat(value: float, low: float, high: float, own: bool) -> HeatCell:
    if math.isnan(value):
        return HeatCell(0.0, "", "")
    share = (value - low) / (high - low) if high > low else 0.0
    text = f"{value:.0f}" if high == 100 else f"{value:.3f}"
    return shaded(share, text, own=own)


# Above these shares of the full colour white text (on a light page) and black text (on a dark one) has more contrast
# than the other: at least 4.58 at every share, by the colours of site.css and the formula of WCAG 2.
_WHITE_ON_LIGHT, _BLACK_ON_DARK = 0.743, 0.514


def shaded(share: float, text: str, *, own: bool) -> HeatCell:
    """A cell with the classes that keep its text readable."""
    marks = {"deep": share > _WHITE_ON_LIGHT, "bright": share > _BLACK_ON_DARK, "own": own}
    return HeatCell(round(share, 3), text, " ".join(name for name, on in marks.items() if on))
