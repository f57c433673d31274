"""Leaderboards as Markdown; texts from records and papers stay text and never become markup."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ...benchmark.wording import counted
from ..analysis.board import Board
from .classified import classified
from .columns import cell, columns_of, place, winners
from .notes import meanings, notes, shared, split
from .pairs import COLUMNS, MEANING, pair_lines
from .strengths import at_equal_text


def escape(text: str) -> str:
    """A text in one line, in which no character is markup of Markdown or HTML."""
    return re.sub(r"([\\`*_\[\]<>|~&$])", r"\\\1", " ".join(text.split()))


def row(cells: Sequence[str]) -> str:
    """One row of a table; its cells are escaped already."""
    return f"| {' | '.join(cells)} |"


def to_markdown(boards: Sequence[Board]) -> str:
    """The boards as Markdown, and below them what their rows and columns mean."""
    reason = split(boards)
    every = dict(item for board in boards for item in meanings(board, columns_of(board)))
    items = [f"- **{escape(name)}**: {escape(text)}" for name, text in every.items()]
    parts = [_board(board) for board in boards] + ["\n".join(["How to read the tables:", "", *items, ""])]
    return "\n".join(([escape(reason), ""] if reason else []) + parts)


def _head(titles: Sequence[str]) -> tuple[str, str]:
    """The titles of a table, whose first column has names and the others numbers, and the rule below them."""
    return row(titles), "|---|" + "---:|" * (len(titles) - 1)


def _board(board: Board) -> str:
    used = columns_of(board)
    best = {c.key: winners(c, board).best for c in used}
    titles = ["method", *(["rank"] if board.ranks else []), *(c.title for c in used)]
    suite = escape(board.conditions["suite"].split(" (")[0])
    rows = [f"### {suite}, {counted(board.tasks, 'task')}", "", *_head(titles)]
    for line in board.lines:
        title = escape(line.title)
        cells = [f"*{title}*" if line.bound else title, *([place(board, line)] if board.ranks else [])]
        for c in used:
            text = cell(c, line.values.get(c.key))
            cells.append(f"**{text}**" if line.method in best[c.key] else text)
        rows.append(row(cells))
    about = f"Conditions: {shared(board)}.", *notes(board)
    return "\n".join(
        [
            *rows,
            *(f"\n{escape(text)}" for text in about),
            "",
            *_classified(board),
            *_pairs(board),
            *_at_equal_text(board),
        ]
    )


def _classified(board: Board) -> list[str]:
    """The lines of the table of real pictures that the models classify; none where there are none."""
    table = classified(board)
    if table is None:
        return []
    rows = ["#### Real pictures that the models classify", "", *_head(["method", *(c.title for c in table.columns)])]
    for line in table.lines:
        title = escape(line.title)
        cells = [cell(c, line.values.get(c.key)) for c in table.columns]
        rows.append(row([f"*{title}*" if line.bound else title, *cells]))
    return [*rows, *(f"\n{escape(text)}" for text in table.notes), ""]


def _at_equal_text(board: Board) -> Iterator[str]:
    """Methods at equal text alignment; nothing where no method was drawn with other strengths."""
    table = at_equal_text(board)
    if table is None:
        return
    titles = ["method", f"{table.average.title} at equal text", "strength", table.text.title, table.average.title]
    yield from ("#### At equal text alignment", "", *_head(titles))
    for line in table.rows:
        at = cell(table.average, line.average), "–" if line.strength is None else f"{line.strength.value:.2f}"
        yield row([escape(line.method), *at, cell(table.text, line.full_text), cell(table.average, line.full)])
    yield f"\n{escape(table.note)}\n"


def _pairs(board: Board) -> Iterator[str]:
    """What pictures of two concepts show, by method; nothing where there are none."""
    lines = pair_lines(board)
    if not lines:
        return
    yield from ("#### Pictures of two concepts", "", *_head(["method", *(c.title for c in COLUMNS), "pictures"]))
    for line in lines:
        title, drawn = escape(line.title), "" if line.bound else f"{line.pictures}"
        yield row([f"*{title}*" if line.bound else title, *(cell(c, line.values[c.key]) for c in COLUMNS), drawn])
    yield f"\n{escape(MEANING)}\n"
