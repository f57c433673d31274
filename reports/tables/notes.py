"""What the numbers of a leaderboard are, in sentences: how many runs there are, what they show, what columns mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ...benchmark.records.unmeasured import METRICS_OF, unmeasured
from ...benchmark.wording import counted
from ..analysis.board import SHIPPED, UPPER, Board, copying, row_of
from ..analysis.origin import made_otherwise
from ..analysis.resolution import POWER, Design
from ..analysis.shipped import makers
from ..analysis.stats import LEAST, LEVEL
from ..analysis.units import PERCENT
from .columns import BEHIND, SAME, Column, columns, columns_of
from .measurements import PROTOCOLS
from .terms import TERMS

CERTAINTY = f"{POWER * 100:.0f} % power, {LEVEL * 100:.0f} % confidence"
"""How sure a resolution is."""


def note(board: Board, used: Sequence[Column] | None = None, *, brief: bool = False) -> str:
    """What the numbers of a board are, in a few sentences; of all columns, or of those ``used``."""
    used = columns_of(board) if used is None else used
    parts = (f"Conditions: {shared(board)}.", *notes(board, brief=brief), legend(board, used))
    return " ".join(part for part in parts if part)


def shared(board: Board) -> str:
    """The conditions that all runs of a board share."""
    return "; ".join(f"{key} {value}" for key, value in board.conditions.items())


def notes(board: Board, *, brief: bool = False, lacking: bool = True) -> list[str]:
    """What is to be known of the runs of a board: how many there are, what they show, and which may be copies.

    ``lacking``: with what was not measured.
    """
    found = [counts(board, brief=brief), missing(board) if lacking else "", came(board), coded(board)]
    return [text for text in (*found, resolved(board), against(board), copies(board)) if text]


def counts(board: Board, *, brief: bool = False) -> str:
    """How many runs there are of each method, and what their intervals are."""
    sign, interval = "±: half of the" if brief else "Brackets: the", TERMS["interval"]
    runs = {line.method: line.values["average"].n for line in board.lines if line.method in board.runs}
    same, least = len(set(runs.values())) == 1, min(runs.values())
    each = f"{counted(least, 'run')} per method" if same else _each(board, runs)
    intervals = f"{sign} {interval.name}, {_lower(interval.text)}" if max(runs.values()) >= LEAST else ""
    few = f"Methods with fewer than {LEAST} runs have no interval." if least < LEAST else ""
    return " ".join(part for part in (f"{each} (task orders × seeds).", intervals, few) if part)


def _each(board: Board, runs: Mapping[str, int]) -> str:
    """The numbers of runs, which differ: in few words where own rows have one number, and shipped ones another."""
    whose: dict[bool, set[int]] = {False: set(), True: set()}
    for name, n in runs.items():
        whose[board.runs[name][0].shipped].add(n)
    if [len(numbers) for numbers in whose.values()] == [1, 1]:
        (own,), (theirs,) = whose.values()
        return f"{counted(own, 'run')} per method, {counted(theirs, 'run')} per {SHIPPED} row"
    return f"Runs per method: {', '.join(f'{name} {n}' for name, n in runs.items())}"


def came(board: Board) -> str:
    """What shipped rows are, and what made them; empty where there are none."""
    if not (made := makers(board)):
        return ""
    return f"Rows marked “{SHIPPED}”: records that came with cpbench, made with {'; '.join(made)}."


def coded(board: Board) -> str:
    """Which rows were made by other code than the rest; empty where all code is alike, or gives equal fingerprints."""
    found = [f"{', '.join(rows)} ({version})" for version, rows in made_otherwise(board).items()]
    if not found:
        return ""
    rows = f"Made by other code than the rest, with other numbers or never compared: {'; '.join(found)}."
    return f"{rows} A difference from these rows may come from the code."


def resolved(board: Board) -> str:
    """How large a difference of average the runs of a board show.

    Empty where no two methods have the same runs, and where no difference between methods varies.
    """
    found = board.resolution
    if found is None or found.value < SAME:
        return ""
    if math.isinf(found.value):
        return f"These runs are too few to separate methods: at least {LEAST} per method are needed."
    rest = "" if found.everywhere else " Methods with fewer runs need larger differences."
    return (
        f"These runs ({designed(found.design)}) separate methods whose averages differ by more than "
        f"{points(board.headline, found.value)} ({CERTAINTY}).{rest}"
    )


def designed(design: Design) -> str:
    """A number of runs as "3 orders × 2 seeds", or "7 runs" where orders have unequal numbers of seeds."""
    if design.seeds is None:
        return counted(design.runs, "run")
    return f"{counted(design.orders, 'order')} × {counted(design.seeds, 'seed')}"


def points(main: str, value: float) -> str:
    """A difference of a headline metric with its unit, such as "5.0 %-points"."""
    return f"{columns(main)[0].show(value)}{' %-points' if main in PERCENT else ''}"


def against(board: Board) -> str:
    """Which method differences are from; that there are none where it has no runs; empty without a baseline."""
    if board.baseline is None:
        return ""
    row = row_of(board.baseline, board.runs)
    if row is None:
        return f"No differences: the baseline {board.baseline} has no runs under these conditions."
    return f"Differences are from {row}."


def copies(board: Board) -> str:
    """Which methods may copy training pictures; empty where none does."""
    near = ", ".join(copying(board))
    return near and f"Closer to the real pictures than other real pictures are, so perhaps copies: {near}."


def missing(board: Board) -> str:
    """Which numbers no run of a board has, and what they would need; empty where everything was measured."""
    measured = {metric for e in board.results for metric in e.cells}
    profile = board.results[0].run.profile
    found = {"a second task": ["forgetting"]} if board.tasks == 1 else {}
    found |= unmeasured(profile, measured)
    foreign = [c for c in ("text_align", "mmd", "kid") if c not in {*METRICS_OF.get(profile, (c,)), *measured}]
    found |= {f"another profile than {profile}": foreign} if foreign else {}
    return " ".join(part for part in (absent(found), _in_part(board)) if part)


def absent(found: Mapping[str, Sequence[str]]) -> str:
    """A sentence on numbers that were not measured, given by what they need; empty without any."""
    parts = [f"{', '.join(names)} (it takes {need})" for need, names in found.items()]
    return f"Not measured: {'; '.join(parts)}." if parts else ""


def _in_part(board: Board) -> str:
    """Of how many concepts the headline metric was measured, where not of all."""
    counts = {int((~np.isnan(e.matrix(board.headline)[-1])).sum()) for e in board.results}
    if counts == {board.tasks} or not any(counts):
        return ""
    least = " to ".join(str(n) for n in sorted({min(counts), max(counts)}))
    return f"{board.headline} was measured for {least} of {counted(board.tasks, 'concept')}; means are over these."


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
