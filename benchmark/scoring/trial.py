"""The contract of every metric, checked on cells of random numbers: what it may return, and must not change."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import numpy as np

from ..errors import Faulty
from ..owners import Owner
from .metrics import Cell, Metric
from .profiles import Profile
from .returned import measured

_N, _D, _SIZE = 8, 16, 32  # pictures, features, side in pixels


def trial_cells(seed: int = 0) -> dict[str, Cell]:
    """Cells of every sort that a metric meets: drawn and real pictures of a concept, of a pair, and of the prior."""
    rng = np.random.default_rng(seed)
    prompts = np.repeat(np.arange(_N // 2), 2)

    def rows(n: int = _N) -> Any:
        return rng.normal(1, 1, (n, _D))

    def cell(kind: Any, **others: Any) -> Cell:
        return Cell(kind, rng.integers(0, 256, (_N, _SIZE, _SIZE, 3), np.uint8), drawn=rows(), **others)

    one = {"real": rows(6), "rivals": (rows(6), rows(6)), "each": (rows(6),), "training": rows(4)}
    both = {"real": rows(6), "rivals": (rows(6), rows(6)), "each": (rows(6), rows(6))}
    drawn = {"prompts": prompts, "before": rows()}
    return {
        "drawn pictures of a concept": cell("concept", **one, **drawn, embedded=rows(), texts=rows()),
        "drawn pictures right after learning": cell("concept", **one, prompts=prompts, embedded=rows(), texts=rows()),
        "real pictures of a concept": cell("concept", **one, prompts=None),
        "pictures of a pair": cell("pair", **both, **drawn),
        "pictures of the prior": cell("prior", **drawn),
    }


class MetricChecks:
    """The checks of one metric; each returns what is wrong, or None, and raises what the metric raises as Faulty."""

    def __init__(self, metric: Metric, owner: Owner, profile: Profile) -> None:
        self.metric, self.owner, self.profile = metric, owner, profile

    def _values(self, cells: dict[str, Cell]) -> dict[str, Any]:
        found = {}
        for name, cell in cells.items():
            try:
                found[name] = measured(self.owner, self.metric, cell, self.profile)
            except Faulty as error:
                raise Faulty(f"for {name}: {error}") from error
        return found

    def lawful(self) -> str | None:
        """It returns a finite value per picture, one for the cell, or None where it does not apply."""
        self._values(trial_cells())
        return None

    def useful(self) -> str | None:
        """It applies to some pictures."""
        none = all(value is None for value in self._values(trial_cells()).values())
        return "it returns None for every sort of pictures" if none else None

    def divisible(self) -> str | None:
        """A value for the whole cell is also found without the pictures of one prompt, for its standard error."""
        cells = trial_cells()
        whole = {name for name, value in self._values(cells).items() if value is not None and not value.ndim}
        rest = {name: cells[name].without(0) for name in whole if cells[name].prompts is not None}
        for name, value in self._values(rest).items():
            if value is not None and value.ndim:
                return f"for {name} it returns one value, and without the first prompt {len(value)}"
        return None

    def repeatable(self) -> str | None:
        """It returns the same values for the same pictures."""
        first, second = self._values(trial_cells()), self._values(trial_cells())
        changed = [name for name in first if not _same(first[name], second[name])]
        return f"a second time, other values for {changed[0]}" if changed else None

    def harmless(self) -> str | None:
        """It changes neither the pictures and features that it is given, nor the global random state."""
        cells, before = trial_cells(), (random.getstate(), str(np.random.get_state()))
        self._values(cells)
        for name, cell in trial_cells().items():
            for f in fields(Cell):
                if not _same(getattr(cell, f.name), getattr(cells[name], f.name)):
                    return f"it changes '{f.name}' of {name}"
        same = before == (random.getstate(), str(np.random.get_state()))
        return None if same else "it changes the global random state"


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal, to the last bit; arrays and tuples of them included."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return one is not None and other is not None and np.array_equal(one, other)
    return bool(one == other)


def examined(checks: MetricChecks) -> Iterator[tuple[str, str | None]]:
    """Each clause, and what breaks it (None: nothing)."""
    for check in CHECKS:
        try:
            fault = check(checks)
        except Faulty as error:
            fault = str(error)
        yield str(check.__doc__).strip(), fault


CHECKS: tuple[Callable[[MetricChecks], str | None], ...] = (
    MetricChecks.lawful,
    MetricChecks.useful,
    MetricChecks.divisible,
    MetricChecks.repeatable,
    MetricChecks.harmless,
)
