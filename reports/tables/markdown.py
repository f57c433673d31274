"""Leaderboards as Markdown; whatever records and papers hold is text in it, and never markup."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..analysis.board import Board
from .columns import cell, columns, note, place, split, winners


def escape(text: str) -> str:
    """A text in one line, in which nothing is a sign of Markdown or HTML."""
    return re.sub(r"([\\`*_\[\]<>|~&$])", r"\\\1", " ".join(text.split()))


def row(cells: Sequence[str]) -> str:
    """One row of a table, of cells that are escaped already."""
    return f"| {' | '.join(cells)} |"


def to_markdown(boards: Sequence[Board]) -> str:
    """The boards as Markdown."""
    reason = split(boards)
    return "\n".join(([escape(reason), ""] if reason else []) + [_board(board) for board in boards])


def _board(board: Board) -> str:
    used = columns(board.headline)
    best = {c.key: winners(c, board).best for c in used}
    titles = ["method", *(["rank"] if board.ranks else []), *(c.title for c in used)]
    rows = [f"### {escape(board.conditions['suite'].split(' (')[0])}, {board.tasks} tasks", "", row(titles)]
    rows.append("|---|" + "---:|" * (len(titles) - 1))
    for line in board.lines:
        title = escape(line.title)
        cells = [f"*{title}*" if line.bound else title, *([place(board, line)] if board.ranks else [])]
        for c in used:
            text = cell(c, line.values.get(c.key))
            cells.append(f"**{text}**" if line.method in best[c.key] else text)
        rows.append(row(cells))
    return "\n".join([*rows, "", escape(note(board)), ""])
