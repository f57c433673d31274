"""The columns of leaderboards, the texts of their cells and notes in whatever form, and leaderboards as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...benchmark.wording import counted
from ..analysis.board import UPPER, Board, Line, copying
from ..analysis.stats import LEAST, Estimate
from ..analysis.units import PERCENT
from .terms import PROTOCOLS, TERMS

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


def cell(column: Column, estimate: Estimate | None, *, brief: bool = False) -> str:
    """A value with its interval, or where ``brief`` with half its width; a dash where there is none."""
    if estimate is None or math.isnan(estimate.value):
        return "–"
    shown = column.show(estimate.value)
    if estimate.interval is None or column.best is None:
        return shown
    low, high = estimate.interval
    return f"{shown} ±{column.show((high - low) / 2)}" if brief else f"{shown} {bracket(column, estimate.interval)}"


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
    """The best and the second-best among methods that compete; none where fewer than two have a value."""
    found = {x.method: x.values[column.key].value for x in board.lines if x.competes}
    values = {name: round(value, DIGITS) for name, value in found.items() if not math.isnan(value)}
    if column.best is None or len(values) < 2:
        return Winners()
    ranked = sorted(set(values.values()), reverse=column.best is max)
    first, second = (frozenset(n for n, v in values.items() if v in ranked[k : k + 1]) for k in (0, 1))
    return Winners(first, second)


def note(board: Board, used: Sequence[Column] | None = None, *, brief: bool = False) -> str:
    """What the numbers of a board are, in a few sentences; of all columns, or of those ``used``."""
    used = columns(board.headline) if used is None else used
    parts = (f"Conditions: {shared(board)}.", counts(board, brief=brief), copies(board), legend(board, used))
    return " ".join(part for part in parts if part)


def shared(board: Board) -> str:
    """The conditions that all runs of a board share."""
    return "; ".join(f"{key} {value}" for key, value in board.conditions.items())


def counts(board: Board, *, brief: bool = False) -> str:
    """How many runs there are of each method, and what their intervals are."""
    sign, interval = "±: half of the" if brief else "Brackets: the", TERMS["interval"]
    runs = {line.method: line.values["average"].n for line in board.lines if line.method in board.runs}
    same, least = len(set(runs.values())) == 1, min(runs.values())
    each = f"{counted(least, 'run')} per method" if same else f"Runs per method: {', '.join(map(_times, runs.items()))}"
    intervals = f"{sign} {interval.name}, {_lower(interval.text)}" if max(runs.values()) >= LEAST else ""
    few = f"Methods with fewer than {LEAST} runs have no interval." if least < LEAST else ""
    return " ".join(part for part in (f"{each} (task orders × seeds).", intervals, few) if part)


def _times(item: tuple[str, int]) -> str:
    return f"{item[0]} {item[1]}"


def copies(board: Board) -> str:
    """Which methods may copy training pictures; empty where none does."""
    near = ", ".join(copying(board))
    return near and f"Closer to the real pictures than other real pictures are, so perhaps copies: {near}."


def legend(board: Board, used: Sequence[Column]) -> str:
    """What the rows and the ``used`` columns of a board are."""
    return " ".join(sentence(name, text) for name, text in meanings(board, used))


def sentence(name: str, text: str) -> str:
    """A word with its meaning, as one sentence."""
    return f"{name[0].upper()}{name[1:]}: {_lower(text)}"


def meanings(board: Board, used: Sequence[Column]) -> list[tuple[str, str]]:
    """Names and meanings of all that a board shows: its score, the ``used`` columns, ranks and bounds."""
    found = [_meaning(key) for key in (board.headline, *(c.key for c in used))]
    if board.ranks:
        found += [_meaning("rank"), (BEHIND, "The first method is better with 95 % confidence.")]
    found += [_meaning("floor"), _meaning("ceiling")]
    if UPPER in {line.bound for line in board.lines}:
        found.append(_meaning("upper-bound"))
    if (protocol := board.conditions["protocol"]) in PROTOCOLS:
        found.append((f"protocol {protocol}", f"Measures {PROTOCOLS[protocol]}."))
    return found


def _meaning(key: str) -> tuple[str, str]:
    return TERMS[key].name, TERMS[key].text


def _lower(text: str) -> str:
    """A sentence as it goes on after a colon."""
    return text[0].lower() + text[1:]


def split(boards: Sequence[Board]) -> str | None:
    """Why there are several boards; None where there is one."""
    if len(boards) < 2:
        return None
    keys = [k for k in boards[0].conditions if len({b.conditions[k] for b in boards}) > 1]
    return f"{len(boards)} tables, because runs that differ in these cannot be compared: {', '.join(keys)}."


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
                writer.writerow([*own, key, repr(e.value), low, high, e.n])
            if rank := board.ranks.get(line.method):
                runs = line.values["average"].n
                writer.writerow([*own, "rank", rank.place, rank.best, rank.worst, runs])
                writer.writerow([*own, "first_is_better", int(rank.behind), "", "", runs])
    return out.getvalue()
