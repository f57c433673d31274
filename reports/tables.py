"""Leaderboards as terminal tables, Markdown and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ..benchmark import continual
from ..benchmark.continual import Matrix
from .entry import Entry
from .stats import Estimate
from .tidy import PERCENT, Board, Line, copying, headline, matrix


def size(value: float) -> str:
    """Bytes as kB or MB."""
    return f"{value / 1e6:.2f} MB" if value >= 1e5 else f"{value / 1e3:.1f} kB"


@dataclass(frozen=True)
class Column:
    """One column: its key, its title with unit and direction, how a value is printed, and which is best."""

    key: str
    title: str
    show: Callable[[float], str]
    best: Callable[[Sequence[float]], float] | None = None


def columns(main: str) -> tuple[Column, ...]:
    """The columns of a leaderboard whose headline metric is ``main``."""
    scale, unit = (100, " %") if main in PERCENT else (1, "")
    digits = 1 if scale == 100 else 3

    def share(value: float) -> str:
        return f"{scale * value:.{digits}f}"

    return (
        Column("average", f"average{unit} ↑", share, max),
        Column("plasticity", f"plasticity{unit} ↑", share, max),
        Column("forgetting", "forgetting ↓", share, min),
        Column("text_align", "text ↑", lambda v: f"{v:.3f}", max),
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
    return f"{shown} [{column.show(estimate.interval[0])}, {column.show(estimate.interval[1])}]"


def winners(column: Column, board: Board) -> tuple[str, str]:
    """The methods with the best and second-best value of a column; empty where nothing competes.

    Bounds do not compete, nor does the base model, which forgets nothing since it learns nothing.
    """
    rivals = [x for x in board.lines if not x.bound and x.method != "base"]
    values = {x.method: x.values[column.key].value for x in rivals if not math.isnan(x.values[column.key].value)}
    if column.best is None or len(values) < 2:
        return "", ""
    ranked = sorted(values, key=lambda name: values[name], reverse=column.best is max)
    return ranked[0], ranked[1]


def _is_best(column: Column, line: Line, board: Board) -> bool:
    """Whether a line shows the best value of a column."""
    first = winners(column, board)[0]
    return (
        bool(first)
        and not line.bound
        and line.method != "base"
        and (
            line.values[column.key].value == next(x for x in board.lines if x.method == first).values[column.key].value
        )
    )


def note(board: Board) -> str:
    """What the numbers of a board are, in a few sentences."""
    runs = {line.method: line.values["average"].n for line in board.lines if not line.bound}
    counts = ", ".join(f"{name} {n}" for name, n in runs.items())
    few = " Fewer than three runs have no interval." if min(runs.values()) < 3 else ""
    shared = "; ".join(f"{k} {v}" for k, v in board.conditions.items())
    near = copying(board)
    copies = f" Nearer to the real pictures than real ones are, so perhaps copies: {', '.join(near)}." if near else ""
    return (
        f"{shared}. Runs (orders times seeds): {counts}; brackets are 95 % intervals "
        f"(Student's; over seeds within orders where each order has several).{few} "
        f"Average: {board.headline} of all concepts after the last task; plasticity: of each right after its own task; "
        f"forgetting: mean over all concepts but the last of (right after its task - at the end); "
        f"text: cosine of pictures and prompts.{copies}"
    )


def split(boards: Sequence[Board]) -> str | None:
    """Why there are several boards."""
    if len(boards) < 2:
        return None
    keys = [k for k in boards[0].conditions if len({b.conditions[k] for b in boards}) > 1]
    return f"{len(boards)} tables, because these differ and cannot be compared: {', '.join(keys)}."


def to_terminal(boards: Sequence[Board], width: int) -> Group:
    """The boards for a terminal of ``width`` characters; columns that do not fit are named below."""
    parts: list[Table | Text] = []
    for board in boards:
        every = columns(board.headline)
        used = _fitting(board, every, width)
        parts += [_terminal(board, used), Text(note(board), style="dim")]
        if lost := [c.title for c in every if c not in used]:
            parts.append(Text(f"No room here for: {', '.join(lost)}; 'cpbench report' has them.", style="yellow"))
    if reason := split(boards):
        parts.append(Text(reason, style="yellow"))
    return Group(*parts)


def _fitting(board: Board, every: Sequence[Column], width: int) -> list[Column]:
    """The first columns, as many as fit beside the names of the methods."""
    room, used = width - 5 - max(len(line.method) for line in board.lines), []
    for column in every:
        words = [*column.title.split(), *(cell(column, line.values.get(column.key)) for line in board.lines)]
        room -= 3 + max(map(len, words))  # padding and the space between columns
        if room < 0:
            break
        used.append(column)
    return used


def _terminal(board: Board, used: Sequence[Column]) -> Table:
    title = f"{board.conditions['suite'].split(' (')[0]}, {board.tasks} tasks, {board.headline}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("method", no_wrap=True)
    for column in used:
        table.add_column(column.title, justify="right", min_width=max(map(len, column.title.split())))
    for line in board.lines:
        cells = [(c, cell(c, line.values.get(c.key))) for c in used]
        texts = [Text(text, style="bold" if _is_best(c, line, board) else "", no_wrap=True) for c, text in cells]
        table.add_row(line.method, *texts, style="dim" if line.bound else None)
    return table


def to_markdown(boards: Sequence[Board]) -> str:
    """The boards as Markdown."""
    blocks = [_markdown(board) for board in boards]
    reason = split(boards)
    return "\n".join(([reason, ""] if reason else []) + blocks)


def _markdown(board: Board) -> str:
    used = columns(board.headline)
    rows = [f"### {board.conditions['suite'].split(' (')[0]}, {board.tasks} tasks", ""]
    rows.append("| method | " + " | ".join(c.title for c in used) + " |")
    rows.append("|---|" + "---:|" * len(used))
    for line in board.lines:
        cells = [cell(c, line.values.get(c.key)) for c in used]
        bold = [f"**{x}**" if _is_best(c, line, board) else x for c, x in zip(used, cells, strict=True)]
        rows.append(f"| {'*' + line.method + '*' if line.bound else line.method} | " + " | ".join(bold) + " |")
    return "\n".join([*rows, "", note(board), ""])


def to_csv(boards: Sequence[Board]) -> str:
    """The boards as CSV: one row a method and column, unrounded."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*boards[0].conditions, "headline", "method", "bound", "column", "value", "low", "high", "runs"])
    for board in boards:
        for line in board.lines:
            for key, e in line.values.items():
                low, high = e.interval or ("", "")
                shared = [*board.conditions.values(), board.headline]
                writer.writerow([*shared, line.method, int(line.bound), key, repr(e.value), low, high, e.n])
    return out.getvalue()


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
