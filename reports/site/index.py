"""The first page: leaderboards with their charts."""

from __future__ import annotations

from typing import Any

from ..analysis.board import About, Methods
from ..analysis.stats import Estimate
from ..analysis.units import unit_of
from ..tables.classified import classified
from ..tables.columns import Column, Winners, columns_of, winners
from ..tables.notes import meanings, notes
from .cells import NOTHING, BoardPage, TableCell, brief, plain
from .charts import fronts
from .pairs import board_table
from .strengths import at_equal_text_alignment

_MARKS = "Bold: best; underlined: second."


def leaderboard(place: BoardPage, methods: Methods) -> dict[str, Any]:
    """One board of the first page, as its template uses it."""
    board = place.board
    used = columns_of(board)
    rows = _rows(place, methods, used)
    run = board.results[0].run
    return {
        "slug": place.slug,
        "title": place.title,
        "suite": run.suite,
        "backbone": run.backbone,
        "columns": [{"key": c.key, "title": c.title, "better": "higher" if c.best is max else "lower"} for c in used],
        "lines": rows,
        "note": " ".join([*notes(board, brief=True), _MARKS]),
        "meanings": meanings(board, used),
        "conditions": list(board.conditions.items()),
        "charts": list(fronts(place, rows)),
        "classified": _classified(place),
        "pairs": board_table(place),
        "strengths": at_equal_text_alignment(place),
    }


def _classified(place: BoardPage) -> dict[str, Any] | None:
    """The table of real pictures that the models classify; None where there are none."""
    table = classified(place.board)
    if table is None:
        return None
    lines = [
        {
            "method": line.title,
            "bound": line.bound,
            "cells": [brief(line.values.get(c.key), c.show) for c in table.columns],
        }
        for line in table.lines
    ]
    return {"columns": [c.title for c in table.columns], "lines": lines, "note": " ".join(table.notes)}


def _rows(place: BoardPage, methods: Methods, used: tuple[Column, ...]) -> list[dict[str, Any]]:
    board = place.board
    placed = board.ranks
    best = {c.key: winners(c, board) for c in used}
    rows = []
    for line in board.lines:
        adapter, consolidation = _parts(methods.get(line.method.split(" (")[0]))
        rank, slug = placed.get(line.method), place.methods.get(line.method)
        spread = "" if rank is None or rank.best == rank.worst else f"[{rank.best}, {rank.worst}]"
        rows.append(
            {
                "method": line.title,
                "bound": line.bound,
                "link": f"methods/{place.slug}-{slug}.html" if slug else "",
                "adapter": adapter,
                "consolidation": consolidation,
                "rank": NOTHING if rank is None else TableCell(rank.place, str(rank.place), spread),
                "runs": plain(line.values["average"].n) if slug else NOTHING,
                "cells": [_cell(c, line.values.get(c.key), _mark(line.method, best[c.key])) for c in used],
            }
        )
    return rows


def _parts(about: About | None) -> tuple[str, str]:
    """The values that a row is filtered by: its adapter, and its consolidations separated by spaces."""
    if about is None:
        return "unknown", "unknown"
    return about.adapter or "none", " ".join(about.consolidations) or "none"


def _cell(column: Column, estimate: Estimate | None, mark: str) -> TableCell:
    """A value of a row; distances have three significant digits, columns without a best value no interval."""
    if column.best is None:
        return NOTHING if estimate is None else plain(estimate.value, column.show(estimate.value))
    show = unit_of(column.key).show if column.key in ("mmd", "kid") else column.show
    return brief(estimate, show, mark)


def _mark(method: str, found: Winners) -> str:
    return "best" if method in found.best else "second" if method in found.second else ""
