"""Leaderboards for papers: booktabs, the best value bold, the second underlined."""

from __future__ import annotations

from collections.abc import Sequence

from .tables import Column, cell, columns, note, winners
from .tidy import Board, Line

_ESCAPES = {"\\": r"\textbackslash{}", **{c: f"\\{c}" for c in "&%$#_{}"}, "~": r"\textasciitilde{}"}
_ESCAPES |= {"^": r"\textasciicircum{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "×10³": r"$\times 10^3$", "–": "--"}


def to_latex(boards: Sequence[Board]) -> str:
    """The boards as LaTeX tables; they need the packages booktabs and graphicx."""
    return "\n".join(_table(board) for board in boards)


def escape(text: str) -> str:
    """Text with the characters that mean something to LaTeX made harmless, and arrows and dashes in its own way."""
    for sign in ("×10³",):
        text = text.replace(sign, "\0")
    return "".join(_ESCAPES.get(c, c) for c in text).replace("\0", _ESCAPES["×10³"])


def _table(board: Board) -> str:
    used = columns(board.headline)
    best = {c.key: winners(c, board) for c in used}
    rows = [_row(line, used, best) for line in board.lines if not line.bound]
    bounds = [_row(line, used, best) for line in board.lines if line.bound]
    head = " & ".join(["method", *(escape(c.title) for c in used)])
    title = f"{board.conditions['suite'].split(' (')[0]}, {board.tasks} tasks"
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape(title)}. {escape(note(board))} Best bold, second underlined.}}",
            r"\resizebox{\linewidth}{!}{%",
            rf"\begin{{tabular}}{{l{'r' * len(used)}}}",
            r"\toprule",
            rf"{head} \\",
            r"\midrule",
            *rows,
            r"\midrule",
            *bounds,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
            "",
        ]
    )


def _row(line: Line, used: Sequence[Column], best: dict[str, tuple[str, str]]) -> str:
    cells = [escape(line.method)]
    for column in used:
        text = escape(cell(column, line.values.get(column.key)))
        first, second = best[column.key]
        if not line.bound and line.method == first:
            text = rf"\textbf{{{text}}}"
        elif not line.bound and line.method == second:
            text = rf"\underline{{{text}}}"
        cells.append(text)
    return " & ".join(cells) + r" \\"
