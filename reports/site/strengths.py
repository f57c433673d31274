"""Methods at equal text alignment on the site: a table, and a chart of each over the strengths of its change."""

from __future__ import annotations

from typing import Any

from ..analysis.board import Board
from ..analysis.strengths import sweeps
from ..analysis.units import label_of
from ..tables.strengths import Matched, at_equal_text
from .cells import NOTHING, BoardPage, brief, plain
from .charts import Chart
from .svg import SHAPES, Series, axis, lines


def at_equal_text_alignment(place: BoardPage) -> dict[str, Any] | None:
    """The table and the chart of a board; None where no method was drawn with other strengths."""
    table = at_equal_text(place.board)
    if table is None:
        return None

    def cells(row: Matched) -> list[Any]:
        strength = NOTHING if row.strength is None else plain(row.strength.value, f"{row.strength.value:.2f}")
        at = brief(row.average, table.average.show)
        return [at, strength, brief(row.full_text, table.text.show), brief(row.full, table.average.show)]

    columns = [f"{table.average.title} at equal text", "strength", table.text.title, table.average.title]
    rows = [{"method": row.method, "cells": cells(row)} for row in table.rows]
    return {"columns": columns, "rows": rows, "note": table.note, "chart": _chart(place.board)}


def _chart(board: Board) -> Chart:
    """The average against text alignment, a line per method from the base model to its greatest strength."""
    (along, text), (up, average) = label_of("text_align"), label_of(board.headline)
    series = []
    for k, sweep in enumerate(sweeps(board)):
        points = [sweep.at(n) for n in range(len(sweep.strengths))]
        x, y = [along * a.value for a, _ in points], [up * b.value for _, b in points]
        series.append(Series(sweep.row, x, y, k, dashed=k >= SHAPES))
    x_axis, y_axis = axis(text, [v for s in series for v in s.x]), axis(average, [v for s in series for v in s.y])
    svg = lines("average against text alignment over strengths of the change", series, x_axis, y_axis)
    return {"title": "Average against text alignment, from the base model to full strength", "svg": svg}
