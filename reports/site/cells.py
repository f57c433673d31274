"""Cells of tables and heat maps, in the form that the templates use."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...benchmark.records import continual
from ...benchmark.records.continual import Matrix
from ...benchmark.wording import counted
from ..analysis.board import Board
from ..analysis.changes import Changes
from ..analysis.entry import Entry
from ..analysis.paired import Value
from ..analysis.stats import Estimate
from ..analysis.units import alike, is_share, kind, unit_of


@dataclass(frozen=True)
class TableCell:
    """A value to sort by (None: no value), its text, its interval, and a class that marks it."""

    value: float | None
    text: str
    interval: str = ""
    mark: str = ""


NOTHING = TableCell(None, "–")


def number(estimate: Estimate | None, show: Callable[[float], str], mark: str = "") -> TableCell:
    """An estimate, with its interval where it has one."""
    if estimate is None or not math.isfinite(estimate.value):
        return NOTHING
    interval = ""
    if estimate.interval is not None:
        interval = f"[{show(estimate.interval[0])}, {show(estimate.interval[1])}]"
    return TableCell(round(estimate.value, 9), show(estimate.value), interval, mark)


def brief(estimate: Estimate | None, show: Callable[[float], str], mark: str = "") -> TableCell:
    """The same with half the width of its interval, which is symmetric."""
    cell = number(estimate, show, mark)
    if estimate is None or estimate.interval is None or cell is NOTHING:
        return cell
    half = show((estimate.interval[1] - estimate.interval[0]) / 2)
    return TableCell(cell.value, cell.text, f"±{alike(float(half), cell.text)}", mark)


def plain(value: float, text: str | None = None) -> TableCell:
    """A number without an interval."""
    return NOTHING if not math.isfinite(value) else TableCell(round(value, 9), text or f"{value:g}")


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
    """A heat map as a table; ``corner`` is the title of its column of row names."""

    title: str
    columns: Sequence[str]
    rows: list[HeatRow]
    corner: str = "after"


@dataclass(frozen=True)
class Scale:
    """What colours mean: the value of the palest colour, and that of the darkest."""

    worst: float
    best: float

    def share(self, value: float) -> float:
        """How dark a value is, 0 to 1."""
        wide = self.best - self.worst
        return min(max((value - self.worst) / wide, 0.0), 1.0) if wide else 0.0


Scales = dict[str, Scale]
"""By kind of metric: a drift has the scale of its distance."""


def scales(results: Iterable[Entry]) -> Scales:
    """From the worst to the best cell of all runs, real pictures included; from 0 to 1 for shares.

    One colour is one value on all pages of a board, and darker is better whatever the direction of the metric.
    """
    seen, higher = defaultdict[str, set[float]](set), dict[str, bool]()
    for entry in results:
        for metric, r in entry.cells.items():
            cells = r[r == r]
            seen[kind(metric)] |= {float(cells.min()), float(cells.max())} if cells.size else set()
            higher[kind(metric)] = entry.higher[metric]
        for metric, value in entry.ceilings.items():
            seen[kind(metric)] |= {value} if value == value else set()
    ends = {name: (0.0, 1.0) if is_share(name) else (min(v), max(v)) for name, v in seen.items() if v}
    return {name: Scale(*(ends[name] if higher[name] else ends[name][::-1])) for name in ends if name in higher}


def heat_map(metric: str, r: Matrix, names: Sequence[str], scale: Scale, *, higher: bool = True) -> HeatMap:
    """R as a table. Rows in which nothing was measured are left out, and counted in the title."""
    unit = unit_of(metric)
    rows = [
        HeatRow("base" if i == 0 else names[i - 1], [_heat(metric, v, scale, i == j + 1) for j, v in enumerate(row)])
        for i, row in enumerate(r)
        if (row == row).any()
    ]
    better = "higher is better" if higher else "lower is better"
    empty = f"{counted(left, 'empty row')} not shown" if (left := len(r) - len(rows)) else ""
    return HeatMap(f"{metric} ({', '.join(part for part in (unit.name, better, empty) if part)})", names, rows)


def _heat(metric: str, value: float, scale: Scale, own: bool) -> HeatCell:
    if math.isnan(value):
        return HeatCell(0.0, "", "")
    text = f"{100 * value:.0f}" if is_share(metric) else unit_of(metric).show(value)
    return shaded(scale.share(value), text, own=own)


# Above these shares of the full colour white text (on a light page) and black text (on a dark one) has more contrast
# than the other: at least 4.58 at every share, by the colours of site.css and the formula of WCAG 2.
_WHITE_ON_LIGHT, _BLACK_ON_DARK = 0.743, 0.514


def shaded(share: float, text: str, *, own: bool) -> HeatCell:
    """A heat map's cell, with the classes that keep its text readable."""
    marks = {"deep": share > _WHITE_ON_LIGHT, "bright": share > _BLACK_ON_DARK, "own": own}
    return HeatCell(round(share, 3), text, " ".join(name for name, on in marks.items() if on))


_DECADES = 6.0
"""Powers of ten below the greatest change that have a colour of their own."""


def change_map(changes: Changes, names: Sequence[str]) -> HeatMap | None:
    """How much each layer changed in each task, on a logarithmic colour scale; None where it was not logged."""
    top = max((float(v) for v in changes.values.ravel() if v > 0), default=0.0)
    if not top:
        return None
    rows = [
        HeatRow(x, [_changed(float(v), top) for v in row])
        for x, row in zip(changes.layers, changes.values, strict=True)
    ]
    return HeatMap("mean |ΔW| of each layer (row) in each task (column)", names, rows, corner="layer")


def _changed(value: float, top: float) -> HeatCell:
    if math.isnan(value):
        return HeatCell(0.0, "", "")
    share = max(0.0, 1 + math.log10(value / top) / _DECADES) if value > 0 else 0.0
    return shaded(share, f"{value:.1e}".replace("e-0", "e-") if value > 0 else "0", own=False)


@dataclass(frozen=True)
class BoardPage:
    """A board on the site: its slug and title, the slugs of its methods, and what colours mean on its pages."""

    board: Board
    slug: str
    title: str
    methods: Mapping[str, str]
    scales: Scales

    def scale(self, metric: str) -> Scale:
        """What colours mean for a metric; for one that was measured nowhere, as for a share."""
        return self.scales.get(kind(metric), Scale(0.0, 1.0))


def values(board: Board) -> dict[str, Value]:
    """The numbers of a run by which methods are compared, by the key of their column."""
    main = board.headline
    return {
        "average": lambda e: continual.average(e.matrix(main)),
        "plasticity": lambda e: continual.plasticity(e.matrix(main)),
        "forgetting": lambda e: continual.forgetting_last(e.matrix(main), higher=True),
        "text_align": lambda e: continual.average(e.matrix("text_align")),
    }
