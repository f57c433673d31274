"""Leaderboards for papers: booktabs, the best value bold, the second underlined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...benchmark.wording import counted
from ..analysis.board import DIFFERENCE, Board, Line
from .columns import BEHIND, Column, Winners, cell, columns_of, place, winners
from .notes import legend, notes, shared

_ESCAPES = {"\\": r"\textbackslash{}", **{c: f"\\{c}" for c in "&%$#_{}"}, "~": r"\textasciitilde{}"}
_ESCAPES |= {"^": r"\textasciicircum{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "×10³": r"$\times 10^3$", "–": "--"}
_ESCAPES |= {BEHIND: r"$^\dagger$", "±": r"$\pm$", "×": r"$\times$", "“": "``", "”": "''", "−": "$-$", "Δ": r"$\Delta$"}

SHOWN = ("average", DIFFERENCE, "plasticity", "forgetting")
"""The columns that fit a page with their intervals; the CSV has all of them."""


def to_latex(boards: Sequence[Board]) -> str:
    """The boards as LaTeX tables, which need the package booktabs."""
    return "\n".join(_table(board) for board in boards)


def escape(text: str) -> str:
    """Text without characters that LaTeX would interpret; arrows, dashes and quotes become LaTeX's own."""
    for sign in ("×10³",):
        text = text.replace(sign, "\0")
    return "".join(_ESCAPES.get(c, c) for c in text).replace("\0", _ESCAPES["×10³"])


def _table(board: Board) -> str:
    every = columns_of(board)
    used = [column for column in every if column.key in SHOWN]
    found = {c.key: winners(c, board) for c in used}
    rows = [_row(board, line, used, found) for line in board.lines if not line.bound]
    bounds = [_row(board, line, used, found) for line in board.lines if line.bound]
    titles = ["method", *(["rank"] if board.ranks else []), *(c.title for c in used)]
    title = f"{board.conditions['suite'].split(' (')[0]}, {counted(board.tasks, 'task')}"
    rest = f"{counted(len(every) - len(used), 'more column')} in leaderboard.csv."
    said = notes(board, lacking=False)  # a page has no room for metrics that the table does not show
    caption = " ".join([f"{title}.", *said, legend(board, used), "Best bold, second underlined.", rest])
    return "\n".join(
        [
            f"% {' '.join(shared(board).split())}",
            r"\begin{table}",
            r"\centering\small\setlength{\tabcolsep}{2.5pt}",
            rf"\caption{{{escape(caption)}}}",
            rf"\begin{{tabular}}{{@{{}}l{'r' * (len(titles) - 1)}@{{}}}}",
            r"\toprule",
            *_head(titles),
            r"\midrule",
            *rows,
            r"\midrule",
            *bounds,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _head(titles: Sequence[str]) -> list[str]:
    """Two lines: names, and units with directions, so that columns are no wider than their cells."""
    parts = [title.partition(" ") for title in titles]
    return [" & ".join(escape(part[k]) for part in parts) + r" \\" for k in (0, 2)]


def _row(board: Board, line: Line, used: Sequence[Column], found: Mapping[str, Winners]) -> str:
    cells = [escape(line.title), *([escape(place(board, line))] if board.ranks else [])]
    return " & ".join([*cells, *(_cell(c, line, found[c.key]) for c in used)]) + r" \\"


def _cell(column: Column, line: Line, found: Winners) -> str:
    """A value, marked where it is best or second, and its interval in a smaller size."""
    value, _, interval = (escape(part) for part in cell(column, line.values.get(column.key)).partition(" "))
    mark = r"\textbf" if line.method in found.best else r"\underline" if line.method in found.second else ""
    shown = f"{mark}{{{value}}}" if mark else value
    return rf"{shown} {{\scriptsize {interval}}}" if interval else shown
