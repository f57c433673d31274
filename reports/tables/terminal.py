"""Leaderboards, matrices and differences as tables of a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rich.box import HEAVY_HEAD, SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.text import Text

from ...benchmark.records import continual
from ...benchmark.records.continual import Matrix
from ...benchmark.terminal import Cell, Sheet
from ...benchmark.wording import counted, duration
from ..analysis.board import Board, Line, headline
from ..analysis.entry import Entry, matrix
from ..analysis.shipped import abridged, is_shipped
from .columns import BEHIND, Column, Winners, cell, columns, columns_of, place, size, winners
from .notes import absent, meanings, notes, sentence, shared, split

_EXPLAINED = 3  # columns whose meaning is printed below a table; the glossary has all


def to_terminal(boards: Sequence[Board], width: int, *, short: bool = False) -> Group:
    """The boards for a terminal of ``width`` characters; where ``short``, not all shipped rows are shown.

    Where not all columns fit with their intervals, these become half-widths (±), and columns that still do not fit are
    counted and named below.
    """
    parts: list[Sheet | Text] = []
    for whole in boards:
        board, rows = abridged(whole) if short else (whole, 0)
        every = columns_of(board)
        brief = len(_fitting(board, every, width, brief=False)) < len(every)
        used = _fitting(board, every, width, brief=brief)
        parts.append(_table(board, used, {c.key: winners(c, whole) for c in used}, brief=brief))
        if rows:
            parts.append(Text(f"{counted(rows, 'more shipped row')}: 'cpbench report' shows all.", style="dim"))
        if lost := [c.title.partition(" ")[0] for c in every if c not in used]:
            parts.append(_left_out(lost, len(every), "column", "cpbench report"))
        parts += [Text(line, style="dim") for line in _notes(board, used, brief=brief)]
    if reason := split(boards):
        parts.append(Text(reason, style="yellow"))
    return Group(*parts)


def _notes(board: Board, used: Sequence[Column], *, brief: bool) -> Iterator[str]:
    """What a reader needs at once: the conditions, the numbers of runs, the first columns, and where the rest is."""
    yield f"Conditions: {shared(board)}."
    yield " ".join(notes(board, brief=brief))
    named = {column.title.partition(" ")[0] for column in used[:_EXPLAINED]} | {board.headline, "rank", BEHIND}
    yield " ".join(sentence(name, text) for name, text in meanings(board, used) if name in named)
    yield "'cpbench report' writes a site with a glossary of all words."


def _left_out(lost: Sequence[str], total: int, noun: str, command: str) -> Text:
    """How many of a table's columns are not shown, which, and which command shows them."""
    verb = "is" if len(lost) == 1 else "are"
    missing = f"{len(lost)} of {counted(total, noun)} {verb} not shown: {', '.join(lost)}."
    return Text(f"{missing} Widen the terminal, or use '{command}'.", style="yellow")


def _fitting(board: Board, every: Sequence[Column], width: int, *, brief: bool) -> list[Column]:
    """The first columns: as many as fit beside the names of the methods and their ranks."""
    room, used = width - 5 - max(len(line.title) for line in board.lines), []
    if board.ranks:
        room -= 3 + max(len("rank"), *(len(place(board, line)) for line in board.lines))
    for column in every:
        cells = (cell(column, line.values.get(column.key), brief=brief) for line in board.lines)
        room -= 3 + max(map(len, [*column.title.split(" ", 1), *cells]))  # padding and the space between columns
        if room < 0:
            break
        used.append(column)
    return used


def _table(board: Board, used: Sequence[Column], found: Mapping[str, Winners], *, brief: bool) -> Sheet:
    """One board: best values bold, second-best underlined, bounds and shipped rows dim."""
    title = f"{board.conditions['suite'].split(' (')[0]}, {counted(board.tasks, 'task')}, {board.headline}"
    table = Sheet(title=title, box=SIMPLE_HEAD, pad_edge=True, header_style="table.header", padding=(0, 1))
    table.add_column("method", no_wrap=True)
    if board.ranks:
        table.add_column("rank", justify="right", no_wrap=True)
    for column in used:
        head = column.title.replace(" ", "\n", 1)
        table.add_column(Text(head), justify="right", min_width=max(map(len, head.split("\n"))))
    for line in board.lines:
        texts = [place(board, line)] if board.ranks else []
        shown = [(c, cell(c, line.values.get(c.key), brief=brief)) for c in used]
        marked = [Cell(text, _style(line, found[c.key]), no_wrap=True) for c, text in shown]
        table.add_row(line.title, *texts, *marked, style="dim" if line.bound or is_shipped(board, line) else None)
    return table


def _style(line: Line, found: Winners) -> str:
    return "bold" if line.method in found.best else "underline" if line.method in found.second else ""


@dataclass(frozen=True)
class MatrixTable:
    """The matrix of one run in as many columns as the console has room for; the others are counted and named."""

    result: Entry

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Fit the columns to the width of ``options``."""
        main, order = headline([self.result]), self.result.run.order
        after = max(len("after"), len("base"), *map(len, order))
        fitting, room = 0, options.max_width - after - 4
        while fitting < len(order) and (room := room - max(5, len(order[fitting])) - 3) >= 0:
            fitting += 1
        yield self._table(main, fitting)
        if fitting < len(order):
            yield _left_out(order[fitting:], len(order), "concept", f"cpbench show {self.result.run.id[:8]} --json")

    def _table(self, main: str, fitting: int) -> Sheet:
        order = self.result.run.order
        title = f"{main} of each concept (column) after each task (row)"
        table = Sheet(title=title, box=HEAVY_HEAD, pad_edge=True, header_style="table.header")
        table.add_column("after", no_wrap=True)
        for name in order[:fitting]:
            table.add_column(name, justify="right", no_wrap=True)
        for i, row in enumerate(matrix(self.result, main)):
            shown = ["·" if np.isnan(v) else f"{v:.3f}" for v in row[:fitting]]
            table.add_row("base" if i == 0 else order[i - 1], *shown)
        return table


def matrix_table(result: Entry) -> Group:
    """The matrix of one run, and what each task cost, for a terminal."""
    costs = Sheet(title="cost of each task")
    for title in ("task", "training", "peak memory", "stored", "trainable", "per picture"):
        costs.add_column(title, justify="right", min_width=max(map(len, title.split())))
    for c in result.cost:
        sizes = size(c.peak_memory_bytes), size(c.stored_bytes)
        times = duration(c.train_seconds, measured=True), duration(c.seconds_per_picture, measured=True)
        costs.add_row(str(c.task), times[0], *sizes, f"{c.trainable_parameters:,}", times[1])
    missing = absent(result.unmeasured)
    notes_ = [Text(missing, style="dim")] if missing else []
    return Group(MatrixTable(result), *notes_, *([costs] if result.cost else []))


def difference_table(a: Entry, b: Entry) -> Sheet:
    """The headline numbers of two runs and their difference, for a terminal."""
    main = headline([a, b])
    table = Sheet("", a.run.id[:8], b.run.id[:8], "difference")
    for column in columns(main)[:3]:
        x, y = (of_column(column.key, e.matrix(main)) for e in (a, b))
        table.add_row(column.title, *("–" if np.isnan(v) else column.show(v) for v in (x, y, x - y)))
    return table


def of_column(key: str, r: Matrix) -> float:
    """Average, plasticity or forgetting of a matrix of which higher is better."""
    if key == "forgetting":
        return continual.forgetting_last(r, higher=True)
    return continual.average(r) if key == "average" else continual.plasticity(r)
