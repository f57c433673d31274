"""Leaderboards, matrices and differences as tables of a terminal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ...benchmark.records import continual
from ...benchmark.records.continual import Matrix
from ..analysis.board import Board, Line, headline
from ..analysis.entry import Entry, matrix
from .columns import Column, Winners, cell, columns, note, place, size, split, winners


def to_terminal(boards: Sequence[Board], width: int) -> Group:
    """The boards for a terminal of ``width`` characters; columns that do not fit are named below."""
    parts: list[Table | Text] = []
    for board in boards:
        every = columns(board.headline)
        used = _fitting(board, every, width)
        parts += [_table(board, used), Text(note(board), style="dim")]
        if lost := [c.title for c in every if c not in used]:
            parts.append(Text(f"No room here for: {', '.join(lost)}; 'cpbench report' has them.", style="yellow"))
    if reason := split(boards):
        parts.append(Text(reason, style="yellow"))
    return Group(*parts)


def _fitting(board: Board, every: Sequence[Column], width: int) -> list[Column]:
    """The first columns, as many as fit beside the names of the methods and their ranks."""
    room, used = width - 5 - max(len(line.title) for line in board.lines), []
    if board.ranks:
        room -= 3 + max(len("rank"), *(len(place(board, line)) for line in board.lines))
    for column in every:
        words = [*column.title.split(), *(cell(column, line.values.get(column.key)) for line in board.lines)]
        room -= 3 + max(map(len, words))  # padding and the space between columns
        if room < 0:
            break
        used.append(column)
    return used


def _table(board: Board, used: Sequence[Column]) -> Table:
    """One board: the best bold, the second underlined, what does not compete dim."""
    title = f"{board.conditions['suite'].split(' (')[0]}, {board.tasks} tasks, {board.headline}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("method", no_wrap=True)
    if board.ranks:
        table.add_column("rank", justify="right", no_wrap=True)
    for column in used:
        table.add_column(column.title, justify="right", min_width=max(map(len, column.title.split())))
    found = {c.key: winners(c, board) for c in used}
    for line in board.lines:
        texts = [place(board, line)] if board.ranks else []
        marked = [Text(cell(c, line.values.get(c.key)), _style(line, found[c.key]), no_wrap=True) for c in used]
        table.add_row(line.title, *texts, *marked, style="dim" if line.bound else None)
    return table


def _style(line: Line, found: Winners) -> str:
    return "bold" if line.method in found.best else "underline" if line.method in found.second else ""


def matrix_table(result: Entry) -> Group:
    """The matrix of one run, and what each task cost, for a terminal."""
    main = headline([result])
    r = matrix(result, main)
    table = Table(title=f"{main}: row = after task, column = concept", title_justify="left")
    table.add_column("after")
    for name in result.run.order:
        table.add_column(name, justify="right")
    for i, row in enumerate(r):
        shown = ["·" if np.isnan(v) else f"{v:.3f}" for v in row]
        table.add_row("base" if i == 0 else result.run.order[i - 1], *shown)
    costs = Table(title="cost", title_justify="left")
    for title in ("task", "train s", "peak MB", "stored", "trainable", "s/picture"):
        costs.add_column(title, justify="right")
    for c in result.cost:
        peak = f"{c.peak_memory_bytes / 1e6:.0f}"
        stored, trainable = size(c.stored_bytes), f"{c.trainable_parameters:,}"
        costs.add_row(str(c.task), f"{c.train_seconds:.1f}", peak, stored, trainable, f"{c.seconds_per_picture:.3f}")
    return Group(table, costs)


def difference_table(a: Entry, b: Entry) -> Table:
    """The headline numbers of two runs and their difference, for a terminal."""
    main = headline([a, b])
    table = Table("", a.run.id[:8], b.run.id[:8], "difference", box=None, pad_edge=False, header_style="bold")
    for column in columns(main)[:3]:
        x, y = (of_column(column.key, e.matrix(main)) for e in (a, b))
        table.add_row(column.title, column.show(x), column.show(y), column.show(x - y))
    return table


def of_column(key: str, r: Matrix) -> float:
    """Average, plasticity or forgetting of a matrix of which higher is better."""
    if key == "forgetting":
        return continual.forgetting_last(r, higher=True)
    return continual.average(r) if key == "average" else continual.plasticity(r)
