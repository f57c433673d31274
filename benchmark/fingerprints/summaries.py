"""The fingerprint of summaries: every measure of forgetting on matrices made by hand."""

from __future__ import annotations

import numpy as np

from ..records import continual
from .quantities import Book, Floats

_NAN = float("nan")
_SIGNED = (
    "forgetting_last",
    "forgetting_max",
    "forgetting_clipped",
    "forgetting_all",
    "forward_transfer",
    "backward_transfer",
)
_FULL = [
    [0.1, 0.2, 0.05, 0.3],
    [0.8, 0.25, 0.1, 0.2],
    [0.95, 0.7, 0.15, 0.4],
    [0.5, 0.75, 0.9, 0.1],
    [0.4, 0.78, 0.6, 0.85],
]
_FINAL = [[0.1, 0.2, 0.05], [0.8, _NAN, _NAN], [_NAN, 0.7, _NAN], [0.3, 0.65, 0.9]]
_ALONE = [
    [0.1, 0.2, 0.05, 0.3],
    [0.9, 0.2, 0.1, 0.2],
    [0.9, 0.85, 0.15, 0.4],
    [0.9, 0.85, 0.7, 0.1],
    [0.9, 0.85, 0.7, 0.95],
]


def write_summaries(book: Book) -> None:
    """Write down every summary of every matrix."""
    matrices = {"full": _FULL, "final": _FINAL, "one task": [[0.1], [0.7]]}
    for name, values in matrices.items():
        r = np.array(values)
        with book.at(name):
            book.numbers("average", continual.average(r))
            book.numbers("plasticity", continual.plasticity(r))
            book.numbers("learned", *continual.learned(r))
            for higher in (True, False):
                for summary in _SIGNED:
                    book.numbers(
                        f"{summary}, {'higher' if higher else 'lower'}", getattr(continual, summary)(r, higher=higher)
                    )
    for higher in (True, False):
        lost = continual.intransigence(np.array(_FULL), np.array(_ALONE), higher=higher)
        book.numbers(f"intransigence, {'higher' if higher else 'lower'}", lost)


def matrix() -> Floats:
    """A matrix of four tasks."""
    return np.array(_FULL)
