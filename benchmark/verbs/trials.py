"""The trials of one method in tuning: their settings, runs, values, and the file that they are written to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...methods.catalogue import PLAIN
from ...methods.configure import inherited, options_of, plain
from ...methods.registry import Chosen, with_settings
from ...methods.search_space import anchor, space
from ...methods.search_space import trials as trials_of
from ..plan.units import RunPlan
from ..records.result import Score
from ..run.session import Session
from ..scoring.profiles import Profile
from ..suite.spec import Suite
from .selection import Values, best_of, better_half, error_of_difference, gentlest_of, standard_error

OBJECTIVE = "identity"
AVERAGE, LEARNED = "of all concepts after the last task", "of each concept right after its own task"
"""What a method is valued by, and what the rates are that other rows inherit from the plain row of their adapter."""
FORMAT = 2
"""Of the files. Those of format 1, which do not name it, have three concepts and one run per trial."""


@dataclass(frozen=True)
class Place:
    """A suite, its profile, and the order of each run as places of concepts; run k has seed k."""

    suite: Suite
    profile: Profile
    orders: tuple[tuple[int, ...], ...]


@dataclass
class Search:
    """All trials of one method; ``values`` has the shape (trials, runs of a suite, suites), see :mod:`.selection`.

    ``learned``: the same for what was just learned, of plain rows; else None. ``anchored``: whether the second trial is
    the anchor, without scores: it is for comparison, never the best.
    """

    name: str
    per_option: int
    folder: Path
    places: Sequence[Place]
    settings: list[dict[str, str]]
    anchored: bool
    values: Values
    learned: Values | None
    seconds: dict[tuple[int, int, int], float] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, per_option: int, folder: Path, places: Sequence[Place]) -> Search:
        """The search of a method that has options to tune, before its first run."""
        settings = trials_of(name, per_option, folder=folder)
        values = np.full((len(settings), len(places[0].orders), len(places)), math.nan)
        learned = values.copy() if name in PLAIN.values() else None
        return cls(name, per_option, folder, places, settings, anchor(name, folder) is not None, values, learned)

    @property
    def protocol(self) -> str:
        """What the runs of the trials measure (:mod:`..plan.protocols`)."""
        return "end" if self.learned is None else "learned"

    def choice(self, t: int) -> Chosen:
        """The method with the settings of a trial."""
        return with_settings(self.name, self.settings[t], self.folder)

    def kept(self) -> list[int]:
        """The trials that have all runs, or are to have them: the better half after the first run of each suite.

        Of plain rows, the better half by either of the two values.
        """
        return sorted(set().union(*(self._better(x) for x in (self.values, self.learned) if x is not None)))

    def _better(self, x: Values) -> list[int]:
        first = list(x[:, 0].mean(axis=1))
        return better_half(first, (0, 1) if self.anchored else (0,)) if x.shape[1] > 1 else _there(first)

    def runs(self, rung: int, s: int) -> Iterator[tuple[int, int, tuple[int, ...]]]:
        """The runs of a rung on suite ``s``: trial, number of the run, which is its seed, and its order."""
        orders = self.places[s].orders
        for t in range(len(self.settings)) if not rung else self.kept():
            for k in (0,) if not rung else range(1, len(orders)):
                yield t, k, orders[k]

    def note(self, t: int, k: int, s: int, session: Session, plan: RunPlan, errors: Mapping[str, str]) -> None:
        """Enter the value of a run, or its error, and the seconds of its units."""
        done = {u.key for u in plan.units()} - errors.keys()
        self.seconds[t, k, s] = sum(session.store.meta(key)["seconds"] for key in done & session.store.keys())
        error = next((errors[u.key] for u in plan.units() if u.key in errors), None)
        rows, last = [] if error else measured(session, plan), len(plan.run.order)
        self.values[t, k, s] = value = mean_of_concepts(row for row in rows if row.i == last)
        if self.learned is not None:
            self.learned[t, k, s] = mean_of_concepts(row for row in rows if row.i == row.j)
        if math.isnan(value):
            self.errors.setdefault(t, error or f"{OBJECTIVE} was not measured")

    @property
    def whole(self) -> list[int]:
        """The trials that have all runs."""
        return [t for t in self.kept() if t not in self.errors]

    @property
    def best(self) -> int | None:
        """The best trial, of those that have all runs; None where all failed."""
        error = error_of_difference(self.values[self.whole])
        return best_of(self._means(self.values), error, (1,) if self.anchored else ())

    def _means(self, x: Values) -> list[float]:
        """The mean of each trial over its runs, NaN for those that lack some."""
        whole = self.whole
        return [x[t].mean() if t in whole else math.nan for t in range(len(x))]

    def _choice(self, of: str, x: Values, best: int | None) -> dict[str, Any]:
        """A value, the standard error of the difference of two trials, and the trial that was chosen by it."""
        return {
            "objective": f"{OBJECTIVE} {of}: mean over concepts, runs and suites",
            "error_of_difference": error_of_difference(x[self.whole]),
            "best": best,
            "chosen": None if best is None else self.settings[best],
        }

    def _learned(self, x: Values) -> dict[str, Any]:
        """The trial that learns as well as the best, as far as their runs tell, and keeps most of it."""
        best = gentlest_of(self._means(x), self._means(self.values), error_of_difference(x[self.whole]))
        return self._choice(LEARNED, x, best)

    def content(self, sessions: Sequence[Session]) -> dict[str, Any]:
        """What is written to the file of the method; ``chosen`` is null where all trials failed."""
        learned = {} if self.learned is None else {"learned": self._learned(self.learned)}
        return {
            "format": FORMAT,
            "method": self.name,
            "suites": [_suite(place, session) for place, session in zip(self.places, sessions, strict=True)],
            "code": {"method": self.choice(0).code},
            "inherited": {k: {"from": row, "value": v} for k, (row, v) in inherited(self.name, self.folder).items()},
            "defaults": plain(options_of(self.name, tuned=False, folder=self.folder)),
            "space": {key: dimension.plain() for key, dimension in space(self.name).items()},
            "trials_per_option": self.per_option,
            "rungs": self._rungs(),
            "trials": [self._trial(t) for t in range(len(self.settings))],
            **self._choice(AVERAGE, self.values, self.best),
            **learned,
        }

    def _rungs(self) -> list[dict[str, Any]]:
        """Which runs of each suite, by number, which trials have, and how many runs that saved."""
        every, more = list(range(len(self.settings))), self.values.shape[1] - 1
        first = {"runs": [0], "trials": every}
        saved = (len(every) - len(self.kept())) * more * len(self.places)
        return [first, {"runs": list(range(1, more + 1)), "trials": self.kept(), "saved": saved}] if more else [first]

    def _trial(self, t: int) -> dict[str, Any]:
        """One trial: the values of its runs by suite, and their mean and standard error where it has all of them."""
        role = "standing" if t == 0 else "anchor" if t == 1 and self.anchored else "point"
        seconds = sum(spent for (trial, _, _), spent in self.seconds.items() if trial == t)
        found = {"settings": self.settings[t], "role": role, "seconds": round(seconds, 1)}
        if t in self.errors:
            runs = self._by_suite(self.values[t])
            return found | {"runs": runs, "value": None, "pruned": False, "error": self.errors[t]}
        learned = {} if self.learned is None else {"learned": self._value(t, self.learned)}
        return found | self._value(t, self.values) | learned | {"pruned": t not in self.whole}

    def _value(self, t: int, x: Values) -> dict[str, Any]:
        """A value of a trial: of each run, of each suite, and the mean with its standard error."""
        seen = x[t] if t in self.whole else x[t, :1]
        suites = {place.suite.name: float(seen[:, s].mean()) for s, place in enumerate(self.places)}
        mean = {"value": float(seen.mean()), "n": seen.size, "standard_error": standard_error(seen)}
        return {"runs": self._by_suite(x[t])} | mean | {"suites": suites}

    def _by_suite(self, x: Values) -> dict[str, list[float | None]]:
        return {p.suite.name: [None if math.isnan(v) else float(v) for v in x[:, s]] for s, p in enumerate(self.places)}


def _there(values: Sequence[float]) -> list[int]:
    return [t for t, value in enumerate(values) if not math.isnan(value)]


def _suite(place: Place, session: Session) -> dict[str, Any]:
    """A suite, its runs, and what decides their numbers."""
    names = [c.name for c in place.suite.concepts]
    return {
        "name": place.suite.name,
        "hash": place.suite.hash,
        "profile": place.profile.name,
        "length": len(place.orders[0]),
        "runs": [{"order": [names[k] for k in order], "seed": seed} for seed, order in enumerate(place.orders)],
        "weights": session.facts.weights,
        "code": dict(session.code),
    }


def measured(session: Session, plan: RunPlan) -> list[Score]:
    """The identities of a run; none where they could not be measured."""
    return [s for s in session.recorder(Path()).scores(plan) if s.source == "model" and s.metric == OBJECTIVE]


def mean_of_concepts(scores: Iterable[Score]) -> float:
    """The mean over concepts of the mean of the scores of each; NaN where there are none."""
    rows = list(scores)
    concepts = sorted({s.j for s in rows})
    return float(np.mean([np.mean([s.value for s in rows if s.j == j]) for j in concepts])) if concepts else math.nan
