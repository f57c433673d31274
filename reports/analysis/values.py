"""The numbers of one run, by the columns of a leaderboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...benchmark.records import continual
from .entry import Entry, matrix

VALUES: dict[str, Callable[[Entry, str], float]] = {
    "average": lambda e, main: continual.average(matrix(e, main)),
    "plasticity": lambda e, main: continual.plasticity(matrix(e, main)),
    "forgetting": lambda e, main: continual.forgetting_last(matrix(e, main), higher=True),
    "text_align": lambda e, main: continual.average(matrix(e, "text_align")),
    "mmd": lambda e, main: continual.average(matrix(e, "mmd")),
    "kid": lambda e, main: continual.average(matrix(e, "kid")),
    "train_seconds": lambda e, main: _mean([c.train_seconds for c in e.cost]),
    "stored_bytes": lambda e, main: float(e.cost[-1].stored_bytes) if e.cost else 0.0,
    "trainable": lambda e, main: float(e.cost[-1].trainable_parameters) if e.cost else 0.0,
}
"""Gives the number of a run, where ``main`` is the headline metric; NaN where it was not measured."""


def average(main: str) -> Callable[[Entry], float]:
    """Gives the average of a run, by the headline metric."""
    return lambda e: VALUES["average"](e, main)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
