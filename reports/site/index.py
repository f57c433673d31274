"""The first page: leaderboards, and the charts beside them."""

from __future__ import annotations

from typing import Any

from ..analysis.board import UNKNOWN, UPPER, Board, Methods, copying
from ..analysis.stats import Estimate
from ..analysis.units import unit_of
from ..tables.columns import Column, Winners, columns, winners
from .cells import NOTHING, BoardPage, TableCell, brief, plain
from .charts import fronts


def leaderboard(place: BoardPage, methods: Methods) -> dict[str, Any]:
    """A board of the first page."""
    board = place.board
    used = columns(board.headline)
    rows = _rows(place, methods, used)
    run = board.results[0].run
    return {
        "slug": place.slug,
        "title": place.title,
        "suite": run.suite,
        "backbone": run.backbone,
        "columns": [{"key": c.key, "title": c.title, "better": "higher" if c.best is max else "lower"} for c in used],
        "lines": rows,
        "note": _note(board),
        "conditions": list(board.conditions.items()),
        "charts": list(fronts(place, rows)),
    }


def _rows(place: BoardPage, methods: Methods, used: tuple[Column, ...]) -> list[dict[str, Any]]:
    board = place.board
    placed = board.ranks
    best = {c.key: winners(c, board) for c in used}
    rows = []
    for line in board.lines:
        about = methods.get(line.method.split(" (")[0], UNKNOWN)
        rank, slug = placed.get(line.method), place.methods.get(line.method)
        spread = "" if rank is None or rank.best == rank.worst else f"[{rank.best}, {rank.worst}]"
        rows.append(
            {
                "method": line.title,
                "bound": line.bound,
                "link": f"methods/{place.slug}-{slug}.html" if slug else "",
                "adapter": about.adapter or "none",
                "consolidation": " ".join(about.consolidations) or "none",
                "rank": NOTHING if rank is None else TableCell(rank.place, str(rank.place), spread),
                "runs": plain(line.values["average"].n) if slug else NOTHING,
                "cells": [_cell(c, line.values.get(c.key), _mark(line.method, best[c.key])) for c in used],
            }
        )
    return rows


def _cell(column: Column, estimate: Estimate | None, mark: str) -> TableCell:
    """Distances with three significant digits; what does not compete without interval."""
    if column.best is None:
        return NOTHING if estimate is None else plain(estimate.value, column.show(estimate.value))
    show = unit_of(column.key).show if column.key in ("mmd", "kid") else column.show
    return brief(estimate, show, mark)


def _mark(method: str, found: Winners) -> str:
    return "best" if method in found.best else "second" if method in found.second else ""


def _note(board: Board) -> str:
    """What the numbers are, in a few sentences."""
    least = min(line.values["average"].n for line in board.lines if not line.bound)
    few = " Fewer than three runs have no interval." if least < 3 else ""
    near = copying(board)
    upper = any(UPPER in line.title for line in board.lines)
    apart = " Upper bounds see what a continual method may not: they hold no rank." if upper else ""
    copies = f" Nearer to the real pictures than real ones are, so perhaps copies: {', '.join(near)}." if near else ""
    return (
        f"n: runs (orders times seeds). ±: half of the 95 % interval (Student's; over seeds within orders where each "
        f"order has several).{few} Average: {board.headline} of all concepts after the last task; plasticity: of each "
        f"right after its own task; forgetting: mean over all concepts but the last of (right after its task - at the "
        f"end); text: cosine of pictures and prompts; MMD, KID: distance to real pictures. Bold: best, underlined: "
        f"second. Rank: by average; its range leaves out whom paired differences tell apart.{apart}{copies}"
    )
