"""The plots of a leaderboard, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from matplotlib.figure import Figure

from ..analysis.board import Board
from .balance import balance_plot
from .frontier import frontier_plot
from .internals import shrinkage, spectra
from .layers import change_plot
from .matrices import confusion, curves, heat_maps
from .overview import cost, front, growth, orders
from .strengths import strengths_plot

Plot = Callable[[Board], Figure | None]
_FIGURES: dict[str, Plot] = {
    "matrix": lambda board: heat_maps(board.runs, board.headline),
    "curves": lambda board: curves(board.runs, board.headline),
    "front": front,
    "frontier": frontier_plot,
    "strengths": strengths_plot,
    "cost": cost,
    "growth": growth,
    "orders": orders,
    "confusion": confusion,
    "change": lambda board: change_plot(board.runs),
    "balance": lambda board: balance_plot(board.runs),
    "shrinkage": lambda board: shrinkage(board.results, board.headline),
    "fisher": lambda board: spectra(board.runs),
}

NEEDS = {
    "shrinkage": ": run clora with several values of --set clora.strength",
    "frontier": ": run a method with three values of one option or more, such as --set clora.strength",
    "strengths": ": draw with other strengths first, with cpbench score --strengths .4,.6,.8",
    "balance": ": run a method whose loss has several terms, such as dsc",
    "front": ": run two methods",
    "cost": ": run two methods",
    "orders": ": run with --orders 2 or more",
}
"""How to get the runs that a plot needs, for plots that one run cannot show."""


def caption(board: Board) -> str:
    """Suite, tasks, and the number of runs per method, such as ``toybox-6, 6 tasks, 6 runs per method``."""
    counts = sorted({len(own) for own in board.runs.values()})
    n = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    parts = [board.results[0].run.suite, f"{board.tasks} task{'s' if board.tasks > 1 else ''}"]
    return ", ".join([*parts, f"{n} run{'s' if counts[-1] > 1 else ''} per method"])


def _captioned(draw: Plot, board: Board) -> Figure | None:
    """A plot under a line that names the runs it shows."""
    figure = draw(board)
    if figure is not None:
        figure.suptitle(caption(board), fontsize=9, x=0.01, ha="left")
    return figure


FIGURES: dict[str, Plot] = {kind: partial(_captioned, draw) for kind, draw in _FIGURES.items()}
"""Functions that draw a board; they return None where its runs do not hold what the plot shows."""
