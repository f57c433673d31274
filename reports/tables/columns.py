"""The columns of leaderboards, the texts of their cells in whatever form, and leaderboards as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..analysis.board import DIFFERENCE, Board, Line
from ..analysis.stats import Estimate, written
from ..analysis.units import PERCENT

BEHIND = "†"
"""Marks the rank of a method that is significantly worse than the first."""
SAME, DIGITS = 1e-9, 9  # values that differ less are equal: sums in another order move the last bits


def size(value: float) -> str:
    """Bytes as kB, MB or GB."""
    if value >= 1e9:
        return f"{value / 1e9:.2f} GB"
    return f"{value / 1e6:.2f} MB" if value >= 1e5 else f"{value / 1e3:.1f} kB"


@dataclass(frozen=True)
class Column:
    """One column: its key, its title with unit and direction, how it is printed, which is best, what is possible.

    Its key is also that of its meaning in :data:`.terms.TERMS`.
    """

    key: str
    title: str
    show: Callable[[float], str]
    best: Callable[[Sequence[float]], float] | None = None
    limits: tuple[float, float] = (-math.inf, math.inf)


def columns(main: str) -> tuple[Column, ...]:
    """The columns of a leaderboard whose headline metric is ``main``."""
    scale, unit, points = (100, " %", " %-points") if main in PERCENT else (1, "", "")
    digits, least = (1, 0.0) if scale == 100 else (3, -1.0)

    def share(value: float) -> str:
        return f"{scale * value:.{digits}f}"

    return (
        Column("average", f"average{unit} ↑", share, max, (least, 1.0)),
        Column("plasticity", f"plasticity{unit} ↑", share, max, (least, 1.0)),
        Column("forgetting", f"forgetting{points} ↓", share, min, (least - 1, 1 - least)),
        Column("text_align", "text ↑", lambda v: f"{v:.3f}", max, (-1.0, 1.0)),
        Column("mmd", "MMD×10³ ↓", lambda v: f"{1e3 * v:.2f}", min),
        Column("kid", "KID×10³ ↓", lambda v: f"{1e3 * v:.2f}", min),
        Column("train_seconds", "s/task", lambda v: f"{v:.1f}"),
        Column("stored_bytes", "stored", size),
        Column("trainable", "trainable", lambda v: f"{v:,.0f}"),
    )


def columns_of(board: Board) -> tuple[Column, ...]:
    """The columns of a board: those of its headline metric, and after the average the difference from a baseline."""
    average, *others = columns(board.headline)
    if board.baseline is None:
        return (average, *others)
    unit = " %-points" if board.headline in PERCENT else ""
    return average, replace(difference_of(average), key=DIFFERENCE, title=f"{DIFFERENCE}{unit} ↑"), *others


def difference_of(column: Column) -> Column:
    """A column for differences: with their sign, and without limits."""

    def show(value: float) -> str:
        text = column.show(abs(value))
        sign = "" if not any(digit in text for digit in "123456789") else "-" if value < 0 else "+"
        return f"{sign}{text}"

    return replace(column, show=show, limits=(-math.inf, math.inf))


def cell(column: Column, estimate: Estimate | None, *, brief: bool = False) -> str:
    """A value with its interval, or where ``brief`` with half its width; a dash where there is none."""
    if estimate is None or math.isnan(estimate.value):
        return "–"
    shown = column.show(estimate.value)
    if estimate.interval is None or column.best is None:
        return shown
    low, high = estimate.interval
    return (
        f"{shown} ±{column.show((high - low) / 2).removeprefix('+')}"
        if brief
        else f"{shown} {bracket(column, estimate.interval)}"
    )


def bracket(column: Column, interval: tuple[float, float]) -> str:
    """An interval, cut to possible values; "(no spread)" where all runs have the same value."""
    low, high = interval
    if high - low < SAME:
        return "(no spread)"
    lowest, highest = column.limits
    return f"[{column.show(max(low, lowest))}, {column.show(min(high, highest))}]"


def place(board: Board, line: Line) -> str:
    """The places that paired differences leave to a method; :data:`BEHIND` where the first is significantly better."""
    rank = board.ranks.get(line.method)
    if rank is None:
        return "–"
    span = str(rank.best) if rank.best == rank.worst else f"{rank.best}–{rank.worst}"
    return span + (BEHIND if rank.behind else "")


@dataclass(frozen=True)
class Winners:
    """The methods with the best and the second-best value of a column; several where values are equal."""

    best: frozenset[str] = frozenset()
    second: frozenset[str] = frozenset()


def winners(column: Column, board: Board) -> Winners:
    """The best and the second-best among methods that compete; none where fewer than two have a value.

    Differences have none, because the baseline itself has no difference.
    """
    if column.best is None or column.key == DIFFERENCE:
        return Winners()
    found = {x.method: x.values[column.key].value for x in board.lines if x.competes}
    values = {name: round(value, DIGITS) for name, value in found.items() if not math.isnan(value)}
    if len(values) < 2:
        return Winners()
    ranked = sorted(set(values.values()), reverse=column.best is max)
    first, second = (frozenset(n for n, v in values.items() if v in ranked[k : k + 1]) for k in (0, 1))
    return Winners(first, second)


def to_csv(boards: Sequence[Board]) -> str:
    """The boards as CSV, unrounded: one row per method and column; of a rank, its best and worst possible place."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*boards[0].conditions, "headline", "method", "bound", "column", "value", "low", "high", "runs"])
    for board in boards:
        for line in board.lines:
            own = [*board.conditions.values(), board.headline, line.method, line.bound]
            for key, e in line.values.items():
                low, high = e.interval or ("", "")
                writer.writerow([*own, key, written(e), low, high, e.n])
            if rank := board.ranks.get(line.method):
                runs = line.values["average"].n
                writer.writerow([*own, "rank", rank.place, rank.best, rank.worst, runs])
                writer.writerow([*own, "first_is_better", int(rank.behind), "", "", runs])
    return out.getvalue()
