"""The columns of leaderboards and what is said in their cells, in whatever form; and all of it as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..analysis.board import UPPER, Board, Line, copying
from ..analysis.stats import LEAST, Estimate
from ..analysis.units import PERCENT

BEHIND = "†"
"""Marks the rank of a method that is surely worse than the first."""
SAME, DIGITS = 1e-9, 9  # values that differ less are equal: sums in another order move the last bits


def size(value: float) -> str:
    """Bytes as kB or MB."""
    return f"{value / 1e6:.2f} MB" if value >= 1e5 else f"{value / 1e3:.1f} kB"


@dataclass(frozen=True)
class Column:
    """One column: its key, its title with unit and direction, how it is printed, which is best, what is possible."""

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


def cell(column: Column, estimate: Estimate | None) -> str:
    """A value with its interval; a dash where there is none."""
    if estimate is None or math.isnan(estimate.value):
        return "–"
    shown = column.show(estimate.value)
    if estimate.interval is None or column.best is None:
        return shown
    return f"{shown} {bracket(column, estimate.interval)}"


def bracket(column: Column, interval: tuple[float, float]) -> str:
    """An interval as far as values are possible; runs that do not differ at all have none to speak of."""
    low, high = interval
    if high - low < SAME:
        return "(no spread)"
    lowest, highest = column.limits
    return f"[{column.show(max(low, lowest))}, {column.show(min(high, highest))}]"


def place(board: Board, line: Line) -> str:
    """The places that paired differences leave to a method, and a sign where the first is surely better."""
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
    """Who is best and second among those that compete; nobody where fewer than two have a value."""
    found = {x.method: x.values[column.key].value for x in board.lines if x.competes}
    values = {name: round(value, DIGITS) for name, value in found.items() if not math.isnan(value)}
    if column.best is None or len(values) < 2:
        return Winners()
    ranked = sorted(set(values.values()), reverse=column.best is max)
    first, second = (frozenset(n for n, v in values.items() if v in ranked[k : k + 1]) for k in (0, 1))
    return Winners(first, second)


def note(board: Board) -> str:
    """What the numbers of a board are, in a few sentences."""
    return f"{shared(board)}. {counts(board)} {legend(board)}"


def shared(board: Board) -> str:
    """The conditions that all runs of a board share."""
    return "; ".join(f"{key} {value}" for key, value in board.conditions.items())


def counts(board: Board) -> str:
    """How many runs there are of each method, and what their intervals are."""
    runs = {line.method: line.values["average"].n for line in board.lines if line.method in board.runs}
    same, least = len(set(runs.values())) == 1, min(runs.values())
    told = f"{least} each" if same else ", ".join(f"{name} {n}" for name, n in runs.items())
    few = " Fewer than three runs have no interval." if least < LEAST else ""
    return (
        f"Runs (orders times seeds): {told}; brackets are 95 % intervals for these task orders (Student's; over seeds "
        f"within orders where each order has several).{few}"
    )


def legend(board: Board) -> str:
    """What the columns of a board are."""
    near = copying(board)
    copies = f" Nearer to the real pictures than real ones are, so perhaps copies: {', '.join(near)}." if near else ""
    places = (
        f" Rank: the places by average that paired differences leave open; {BEHIND}: the first is surely (95 %) better."
        if board.ranks
        else ""
    )
    bounds = " Upper bounds see what others may not, and do not compete." if UPPER in _kinds(board) else ""
    return (
        f"Average: {board.headline} of all concepts after the last task; plasticity: of each right after its own task; "
        f"forgetting: mean over all concepts but the last of (right after its task - at the end); "
        f"text: cosine of pictures and prompts.{places}{bounds}{copies}"
    )


def _kinds(board: Board) -> set[str]:
    return {line.bound for line in board.lines}


def split(boards: Sequence[Board]) -> str | None:
    """Why there are several boards."""
    if len(boards) < 2:
        return None
    keys = [k for k in boards[0].conditions if len({b.conditions[k] for b in boards}) > 1]
    return f"{len(boards)} tables, because these differ and cannot be compared: {', '.join(keys)}."


def to_csv(boards: Sequence[Board]) -> str:
    """The boards as CSV: one row a method and column, unrounded; a rank has the best and worst place left open."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*boards[0].conditions, "headline", "method", "bound", "column", "value", "low", "high", "runs"])
    for board in boards:
        for line in board.lines:
            own = [*board.conditions.values(), board.headline, line.method, line.bound]
            for key, e in line.values.items():
                low, high = e.interval or ("", "")
                writer.writerow([*own, key, repr(e.value), low, high, e.n])
            if rank := board.ranks.get(line.method):
                runs = line.values["average"].n
                writer.writerow([*own, "rank", rank.place, rank.best, rank.worst, runs])
                writer.writerow([*own, "first_is_better", int(rank.behind), "", "", runs])
    return out.getvalue()
