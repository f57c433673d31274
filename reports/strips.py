"""Film strips: small pictures of runs that are kept beside their records, for a site without the store.

A strip is the sprite of a run (:class:`.sprites.Sprite`) as ``<suite>/<method>/<run id>.webp``. Its rows and columns
follow from the record: two rows per concept, a column of real pictures and one after 0, 1, ... tasks.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..benchmark.records.reading import OnFault, read_records, read_result, unheard
from ..benchmark.records.result import result_path
from .analysis.board import FindPictures, by_method, first_run
from .analysis.entry import Entry, entry_of
from .samples import stored_rows
from .sprites import MOST, SheetRow, drawn_sprite

LIMIT = 60_000
"""Bytes of a strip, at most: records are kept in git."""
_QUALITIES = (90, 80, 70, 60, 50, 40)


def write_strips(
    made: Path, pictures: FindPictures, kept: Path | None = None, on_fault: OnFault = unheard
) -> Iterator[Path]:
    """Write the strip of one run per method and suite whose pictures are in the store, and give its path.

    ``made``: the folder of records whose units are in the store. ``kept``: the folder of the strips, the same by
    default. Another folder must hold a record of the same run with the same scores; runs without one are left out.
    Of each method it is the run that the page of the method shows: the lowest seed, on the suite's own order.
    """
    kept = kept if kept is not None else made
    suites: dict[str, list[Entry]] = {}
    for _, result in read_records(made, on_fault=on_fault):
        path = result_path(kept, result.run)
        same = kept == made or (path.exists() and set(read_result(path).scores) == set(result.scores))
        if same and result.status == "ok":
            suites.setdefault(result.run.suite, []).append(entry_of(result))
    for entries in suites.values():
        for runs in by_method(entries).values():
            entry = min(runs, key=first_run)
            if (rows := stored_rows(entry, pictures)) is not None:
                path = result_path(kept, entry.run).with_suffix(".webp")
                path.write_bytes(strip_of(rows))
                yield path


def strip_of(rows: Sequence[SheetRow]) -> bytes:
    """A strip as WebP: the best quality, and then the greatest side, with at most :data:`LIMIT` bytes."""
    side = MOST
    while True:
        sprite = drawn_sprite(rows, side)
        for quality in _QUALITIES:
            out = io.BytesIO()
            sprite.image.save(out, "WEBP", quality=quality, method=6)
            if out.tell() <= LIMIT or side <= 16:
                return out.getvalue()
        side = sprite.side // 2
