"""The plots of a board, by name."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

from .internals import shrinkage, spectra
from .overview import confusion, cost, front, growth, orders
from .plots import curves, heat_maps
from .tidy import Board, by_method

FIGURES: dict[str, Callable[[Board], Figure | None]] = {
    "matrix": lambda board: heat_maps(by_method(board.results), board.headline),
    "curves": lambda board: curves(by_method(board.results), board.headline),
    "front": front,
    "cost": cost,
    "growth": growth,
    "orders": orders,
    "confusion": confusion,
    "shrinkage": lambda board: shrinkage(board.results, board.headline),
    "fisher": lambda board: spectra(by_method(board.results)),
}
"""What can be drawn of a board; None where its runs have not logged what it takes."""

NEEDS = {
    "shrinkage": "; run clora with several values of --set clora.strength",
    "front": "; run two methods",
    "cost": "; run two methods",
    "orders": "; run --orders 2 or more",
}
"""What it takes, for plots that need more than any run."""
