"""The table of methods at equal text alignment."""

from __future__ import annotations

from dataclasses import dataclass

from ..analysis.board import Board
from ..analysis.stats import Estimate
from ..analysis.strengths import level_of, sweeps
from .columns import Column, columns_of


@dataclass(frozen=True)
class Matched:
    """A row: its text alignment and average at full strength, and the strength and average at equal text alignment.

    ``strength`` and ``average`` are None where it does not get so near to the prompt.
    """

    method: str
    full_text: Estimate
    full: Estimate
    strength: Estimate | None
    average: Estimate | None


@dataclass(frozen=True)
class AtEqualText:
    """The rows of a board at equal text alignment, the best first, the columns to show them in, and what they mean."""

    rows: tuple[Matched, ...]
    text: Column
    average: Column
    note: str


def at_equal_text(board: Board) -> AtEqualText | None:
    """None where no row was drawn with other strengths."""
    found = sweeps(board)
    columns = {column.key: column for column in columns_of(board)}
    if not found or "text_align" not in columns:
        return None
    (level, leader), rows = level_of(found), []
    for sweep in found:
        strength, average = sweep.matched(level) or (None, None)
        rows.append(Matched(sweep.row, *sweep.at(-1), strength, average))
    rows.sort(key=lambda row: (row.average is None, -(row.average.value if row.average else 0)))
    text = columns["text_align"]
    note = (
        f"The change that a method made to the weights is multiplied by a strength while pictures are drawn. Each is "
        f"weakened until its text alignment is {text.show(level)}, that of {leader} at full strength; between the "
        f"strengths that were measured, values are interpolated, and strength 0 is the base model. A dash: the method "
        f"does not get there. Measured strengths: {', '.join(f'{s:g}' for s in found[0].strengths[1:])}."
    )
    return AtEqualText(tuple(rows), text, columns["average"], note)
