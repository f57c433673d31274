"""The plots of a board, by name."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

from .internals import shrinkage, spectra
from .overview import confusion, cost, front, growth, orders
from .plots import curves, heat_maps
from .tidy import Board

FIGURES: dict[str, Callable[[Board], Figure | None]] = {
    "matrix": lambda board: heat_maps(board.runs, board.headline),
    "curves": lambda board: curves(board.runs, board.headline),
    "front": front,
    "cost": cost,
    "growth": growth,
    "orders": orders,
    "confusion": confusion,
    "shrinkage": lambda board: shrinkage(board.results, board.headline),
    "fisher": lambda board: spectra(board.runs),
}
"""What can be drawn of a board; None where its runs have not logged what it takes."""

NEEDS = {
    "shrinkage": "; run clora with several values of --set clora.strength",
    "front": "; run two methods",
    "cost": "; run two methods",
    "orders": "; run --orders 2 or more",
}
"""What it takes, for plots that need more than any run."""
