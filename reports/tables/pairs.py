"""Tables of what pictures of two concepts show: by method, and by pair for one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ..analysis.board import Board, Line
from ..analysis.entry import CEILING, FLOOR, Entry
from ..analysis.pairs import SHARES
from ..analysis.stats import Estimate, estimate
from ..analysis.units import unit_of
from .columns import Column


def _column(key: str, title: str, best: Callable[[Sequence[float]], float]) -> Column:
    name = title.replace(" ", "\N{NO-BREAK SPACE}")  # pages put what follows the first space on a line of its own
    return Column(key, f"{name} % {'↑' if best is max else '↓'}", unit_of("multi_concept").show, best, (0.0, 1.0))


COLUMNS = (
    _column("multi_concept", "both concepts", max),
    _column("multi_twice", "one twice", min),
    _column("multi_swapped", "swapped", min),
    _column("multi_missing", "one missing", min),
    _column("other", "other", min),
    _column("multi_nouns", "both nouns", max),
)
"""One column per share, in the order of :data:`..analysis.pairs.SHARES`."""
MEANING = (
    "Each picture of two concepts is put into one of five classes, so the first five columns add up to 100 %. Both "
    "concepts: as real pictures of the two. One twice: one of the two, twice. Swapped: the right shapes with exchanged "
    "colours, patterns or accessories. One missing: one individual alone. Other: at least one of the two is replaced "
    "by a look-alike. Both nouns: the share with both class nouns, whatever the individuals; that of the base model is "
    "the ceiling of a method, which learns one concept at a time."
)


@dataclass(frozen=True)
class PairLine:
    """Some runs: the mean of each share over their pairs, with its interval over runs, and the number of pictures.

    ``method``: that of the runs, as a board names it; empty for the bounds.
    """

    title: str
    method: str
    values: dict[str, Estimate]
    pictures: int

    @property
    def bound(self) -> bool:
        """Whether this is a floor or a ceiling."""
        return not self.method


def pair_lines(board: Board) -> list[PairLine]:
    """A line per method after the last task, one of the base model, and one of real pictures; none without pairs.

    The base model was taught no concept: its share of pictures with both class nouns is the ceiling of the others'.
    """
    every = [e for e in board.results if e.pairs is not None]
    if not every:
        return []
    lines = [_line(x.title, x.method, runs, partial(_at, i=-1)) for x, runs in _with_pairs(board) if runs]
    base, real = (_line(name, "", every, of) for name, of in ((FLOOR, partial(_at, i=0)), (CEILING, _of_real)))
    return [*lines, *(replace(x, values=_single(x.values), pictures=0) for x in (base, real))]


def _with_pairs(board: Board) -> Iterator[tuple[Line, list[Entry]]]:
    for line in board.lines:
        yield line, [e for e in board.runs.get(line.method, ()) if e.pairs is not None]


def _line(title: str, method: str, runs: Sequence[Entry], of: Callable[[Entry, str], float]) -> PairLine:
    orders = [e.order for e in runs]
    values = {share: estimate([of(e, share) for e in runs], orders) for share in SHARES}
    return PairLine(title, method, values, sum(int(e.pairs.counts[-1].sum()) for e in runs if e.pairs))


def _single(values: dict[str, Estimate]) -> dict[str, Estimate]:
    """Without intervals: runs share the pictures."""
    return {share: Estimate(e.value, None, e.n) for share, e in values.items()}


def _at(entry: Entry, share: str, i: int) -> float:
    return entry.pairs.mean(share, i) if entry.pairs else float("nan")


def _of_real(entry: Entry, share: str) -> float:
    return entry.pairs.real.get(share, float("nan")) if entry.pairs else float("nan")
