"""The page of comparisons: two methods side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..analysis.board import first_run
from ..analysis.entry import mean_matrix
from ..analysis.paired import Difference, differences
from ..analysis.stats import LEAST
from ..tables.columns import columns
from .cells import BoardPage, heat_map, number, values
from .charts import learning
from .films import Take
from .method import means
from .rerun import command


def compare_page(place: BoardPage, takes: Sequence[Take]) -> dict[str, Any]:
    """All pairs of methods of a board, and what the page shows of each method."""
    board = place.board
    shown = {c.key: c for c in columns(board.headline)}
    best = [place.methods[line.method] for line in board.lines if line.method in board.runs]
    return {
        "board": place,
        "methods": [(slug, name) for name, slug in place.methods.items()],
        "chosen": dict(zip("ab", [*best, "", ""], strict=False)),
        "columns": [shown[key] for key in values(board)],
        "pairs": list(_pairs(place)),
        "panels": [_panel(place, name) for name in board.runs],
        "takes": [{"caption": take.caption, "names": take.names} for take in takes],
        "films": [
            {"slug": slug, "name": name, "takes": [(k, t.films[slug]) for k, t in enumerate(takes) if slug in t.films]}
            for name, slug in place.methods.items()
            if any(slug in take.films for take in takes)
        ],
        "names": takes[0].names if takes else [],
        "sparse": any(film["sparse"] for take in takes for film in take.films.values()),
        "note": "Brackets: 95 % interval of the mean difference (Student's t, over pairs of runs; where each order has "
        "several seeds, over the seeds within orders). Bold: the interval excludes zero. By chance alone, this happens "
        f"in 1 of 20 comparisons. With fewer than {LEAST} pairs of runs there is no interval.",
    }


def _pairs(place: BoardPage) -> Iterator[dict[str, Any]]:
    board = place.board
    shown = {c.key: c for c in columns(board.headline)}
    found = {key: differences(board.runs, value) for key, value in values(board).items()}
    for pair in found["average"]:
        cells = [_cell(found[key][pair], key, shown[key].show) for key in found]
        a, b = (place.methods[name] for name in pair)
        yield {"pair": f"{a} {b}", "names": pair, "cells": cells, "n": found["average"][pair].estimate.n}


def _cell(d: Difference, key: str, show: Any) -> dict[str, str]:
    good = (d.estimate.value > 0) == (key != "forgetting")
    cell = number(d.estimate, show)
    return {
        "text": cell.text,
        "interval": cell.interval,
        "mark": f"sure {'up' if good else 'down'}" if d.significant else "",
    }


def _panel(place: BoardPage, name: str) -> dict[str, Any]:
    """A method's own numbers, its matrix and its curves, on the scales that all methods share."""
    runs, main = place.board.runs[name], place.board.headline
    order = runs[0].order
    names = order if all(e.order == order for e in runs) else [f"task {k}" for k in range(1, len(order) + 1)]
    scale = place.scale(main)
    return {
        "slug": place.methods[name],
        "name": name,
        "link": f"methods/{place.slug}-{place.methods[name]}.html",
        "facts": [*means(place, name), ("runs", str(len(runs)))],
        "command": command(min(runs, key=first_run)) if runs[0].cost else "",
        "heat": heat_map(main, mean_matrix(runs, main), names, scale),
        "chart": learning(runs, main, scale) if main in place.scales else None,
    }
