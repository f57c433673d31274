"""A board on the site, and the numbers that its runs are compared by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...benchmark import continual
from ..paired import Value
from ..tidy import Board
from .cells import Scales


@dataclass(frozen=True)
class Place:
    """A board on the site: its slug and title, the slugs of its methods, and what colours mean on its pages."""

    board: Board
    slug: str
    title: str
    methods: Mapping[str, str]
    scales: Scales


def values(board: Board) -> dict[str, Value]:
    """The numbers of a run that methods are compared by."""
    main = board.headline
    return {
        "average": lambda e: continual.average(e.matrix(main)),
        "plasticity": lambda e: continual.plasticity(e.matrix(main)),
        "forgetting": lambda e: continual.forgetting_last(e.matrix(main), higher=True),
        "text_align": lambda e: continual.average(e.matrix("text_align")),
    }
