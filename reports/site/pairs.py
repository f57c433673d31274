"""Pictures of two concepts on the site: those of one run in one file, and what they show, by pair and by state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.board import FindPictures
from ..analysis.entry import Entry
from ..analysis.pairs import PairScores
from ..samples import PairRow, pair_rows, state_of
from ..sprites import grid_sprite
from ..tables.columns import Column
from ..tables.pairs import COLUMNS, MEANING, pair_lines
from .cells import NOTHING, BoardPage, TableCell, brief, plain

SHOWN = 8
"""Pictures of a pair in one state that are shown, at most."""


def pair_film(entry: Entry, pictures: FindPictures, out: Path) -> dict[str, Any] | None:
    """The pictures of all pairs in one file, and the row of each set in it; None where there are none."""
    rows = pair_rows(entry, pictures, SHOWN)
    if not rows:
        return None
    sprite, path = grid_sprite([row.pictures for row in rows]), out / "pictures" / f"{entry.key}-pairs.webp"
    if not path.exists():
        sprite.write(path)
    return {
        "file": f"pictures/{path.name}",
        "rows": sprite.rows,
        "columns": sprite.columns,
        "cell": sprite.cell,
        "shown": max(len(row.pictures) for row in rows),
        "pairs": [{"names": names, "sets": list(_sets(rows, names))} for names in dict.fromkeys(x.names for x in rows)],
    }


def _sets(rows: Sequence[PairRow], names: tuple[str, str]) -> Iterator[dict[str, Any]]:
    for k, row in enumerate(rows):
        if row.names == names:
            yield {"title": row.title, "row": k, "shown": len(row.pictures), "total": row.total}


def pair_table(scores: PairScores | None) -> dict[str, Any] | None:
    """What pictures of each pair show, by state; None where no pairs were measured."""
    if scores is None:
        return None
    rows = [
        {
            "pair": name.replace("+", " and "),
            "state": state_of(i),
            "cells": [_cell(scores, column, i, k) for column in COLUMNS],
            "pictures": plain(int(scores.counts[i, k])),
        }
        for k, name in enumerate(scores.names)
        for i in np.flatnonzero(scores.counts[:, k]).tolist()
    ]
    return {"columns": [column.title for column in COLUMNS], "rows": rows, "meaning": MEANING}


def _cell(scores: PairScores, column: Column, i: int, k: int) -> TableCell:
    if column.key not in scores.values:
        return NOTHING
    value = float(scores.values[column.key][i, k])
    return plain(value, column.show(value))


def board_table(place: BoardPage) -> dict[str, Any] | None:
    """What pictures of two concepts show, by method; None where there are none."""
    rows = [
        {
            "title": line.title,
            "link": f"methods/{place.slug}-{place.methods[line.method]}.html" if line.method else "",
            "bound": line.bound,
            "cells": [brief(line.values[column.key], column.show) for column in COLUMNS],
            "pictures": NOTHING if line.bound else plain(line.pictures),
        }
        for line in pair_lines(place.board)
    ]
    return {"columns": [column.title for column in COLUMNS], "rows": rows, "meaning": MEANING} if rows else None
