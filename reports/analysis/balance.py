"""How strongly each term of a loss pulls at the weights, by the gradients that were logged while methods learned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .entry import Entry

PREFIX = "gradient."
"""What the names of the logged figures start with: ``gradient.<phase>.norm|first|last|cosine.<term>``."""
_OVER_EXAMPLES = ("fisher",)
"""Phases that are no training: what was logged first and last is that of two examples, and tells nothing."""


@dataclass(frozen=True)
class Balance:
    """One term against the ``main`` one of a phase, by task, (T,) each, NaN where it was not logged.

    ``ratio``: r = ‖g_term‖ / ‖g_main‖, with the mean norms of the phase; ``first``, ``last``: at its first and its last
    update; geometric means over runs. ``cosine``: of the angle between both gradients, -1 to 1, mean over runs.
    """

    phase: str
    term: str
    main: str
    ratio: NDArray[np.float64]
    first: NDArray[np.float64]
    last: NDArray[np.float64]
    cosine: NDArray[np.float64]

    @property
    def trains(self) -> bool:
        """Whether the phase trains the model, and does not only look at it."""
        return self.phase not in _OVER_EXAMPLES


def balances(runs: Sequence[Entry]) -> list[Balance]:
    """The balance of every phase and term that was logged, in the order of the records.

    Terms whose ratio is nowhere finite and positive are left out.
    """
    figures = [[cost.figures for cost in e.cost] for e in runs]
    names = dict.fromkeys(k for f in chain.from_iterable(figures) for k in f if k.startswith(PREFIX))
    parts = [name.split(".", 3)[1:] for name in names if name.count(".") > 2]  # a plug-in logs what it likes
    phases: dict[str, dict[str, None]] = {phase: {} for phase, _, _ in parts}
    for phase, kind, term in parts:
        phases[phase] |= {term: None} if kind == "norm" else {}
    found = []
    for phase, terms in phases.items():
        main = next((term for term in terms if [phase, "cosine", term] not in parts), "")
        found += [_balance(figures, phase, term, main) for term in terms if main and term != main]
    return [b for b in found if not np.isnan(b.ratio).all()]


def _balance(figures: Sequence[Sequence[Mapping[str, float]]], phase: str, term: str, main: str) -> Balance:
    rows = {kind: _stack(figures, f"{PREFIX}{phase}.{kind}.{term}") for kind in ("norm", "first", "last", "cosine")}
    norms = {kind: _stack(figures, f"{PREFIX}{phase}.{kind}.{main}") for kind in ("norm", "first", "last")}
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = {kind: np.log(rows[kind] / norms[kind]) for kind in norms}
    ratio, first, last = (np.exp(_mean(np.where(np.isfinite(log), log, np.nan))) for log in logs.values())
    if phase in _OVER_EXAMPLES:
        first, last = np.full_like(first, np.nan), np.full_like(last, np.nan)
    return Balance(phase, term, main, ratio, first, last, _mean(rows["cosine"]))


def _stack(figures: Iterable[Iterable[Mapping[str, float]]], name: str) -> NDArray[np.float64]:
    """A figure by run and task, (n, T); NaN where it was not logged."""
    rows: Any = [[task.get(name, np.nan) for task in tasks] for tasks in figures if tasks]
    return np.array(rows, dtype=np.float64)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over runs, (n, T) to (T,), of those that have a value; NaN where none has."""
    seen = (~np.isnan(values)).sum(axis=0)
    mean: NDArray[np.float64] = np.where(seen > 0, np.nansum(values, axis=0) / np.maximum(seen, 1), np.nan)
    return mean
