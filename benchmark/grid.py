"""The grid of a sweep: methods × orders × lengths × seeds, and what of its work is shared or done already."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .chain import Planner
from .errors import BadInput
from .plan import RunPlan
from .spec import Suite
from .units import Choice, Kind, Unit, kind_of

ORDER_SEED = 20410
"""The seed of all drawn orders."""
MOST_ORDERS = 5040


def orders_of(suite: Suite, text: str) -> list[tuple[int, ...]]:
    """Task orders: a number of them, ``all``, or a list of concepts by name or place, e.g. ``2,1,3/3,1,2``.

    A number gives the suite's own order, its reverse, then distinct draws from :data:`ORDER_SEED`.
    """
    if text == "all":
        count = math.factorial(len(suite.concepts))
        if count > MOST_ORDERS:
            raise BadInput(f"--orders all: {len(suite.concepts)} concepts have {count} orders; give a number.")
        return _some(len(suite.concepts), count)
    if re.fullmatch(r"-?\d{1,9}", text.strip()):
        return _some(len(suite.concepts), int(text))
    return list(dict.fromkeys(_order(suite, part) for part in text.split("/")))


def _some(concepts: int, n: int) -> list[tuple[int, ...]]:
    most = math.factorial(concepts)
    if n < 1:
        raise BadInput(f"--orders {n}: give at least 1.")
    if n > most:
        raise BadInput(f"--orders {n}: {concepts} concepts have only {most} orders.")
    first = tuple(range(concepts))
    found = dict.fromkeys([first, first[::-1]])
    rng = np.random.default_rng(ORDER_SEED)
    while len(found) < n:  # also for all of them: MOST_ORDERS takes some 45 000 draws, half a second
        found[tuple(int(k) for k in rng.permutation(concepts))] = None
    return list(found)[:n]


def _order(suite: Suite, text: str) -> tuple[int, ...]:
    """One order of all concepts, each given by its name or its place from 1."""
    names = [c.name for c in suite.concepts]
    places = {name: k for k, name in enumerate(names)} | {str(k + 1): k for k in range(len(names))}
    words = [word.strip() for word in text.split(",")]
    if unknown := [word for word in words if word not in places]:
        raise BadInput(f"--orders {text}: '{unknown[0]}' is not one of {', '.join(names)}, nor a place from 1 on.")
    order = tuple(places[word] for word in words)
    if sorted(order) != list(range(len(names))):
        raise BadInput(f"--orders {text}: name each of {', '.join(names)} exactly once; for fewer, add --lengths.")
    return order


def lengths_of(suite: Suite, text: str | None) -> tuple[int, ...]:
    """Sequence lengths from a list like ``2,4,6``; the number of concepts where none is given."""
    most = len(suite.concepts)
    words = [word.strip() for word in (text or str(most)).split(",")]
    if bad := [word for word in words if not (re.fullmatch(r"\d{1,9}", word) and 1 <= int(word) <= most)]:
        raise BadInput(f"--lengths {text}: '{bad[0]}' is not a number from 1 to {most}.")
    return tuple(sorted({int(word) for word in words}))


@dataclass(frozen=True)
class Grid:
    """What to run. The first seed and order come first, for all methods: an unfinished sweep is still a comparison."""

    methods: Sequence[Choice]
    orders: Sequence[tuple[int, ...]]
    lengths: Sequence[int]
    seeds: Sequence[int]
    prefixes: tuple[tuple[int, ...], ...] = field(init=False)

    def __post_init__(self) -> None:
        prefixes = dict.fromkeys(order[:length] for order in self.orders for length in self.lengths)
        object.__setattr__(self, "prefixes", tuple(prefixes))

    def __len__(self) -> int:
        return len(self.methods) * len(self.prefixes) * len(self.seeds)

    @property
    def longest(self) -> int:
        """Tasks of the longest run."""
        return max(self.lengths)

    def plans(self, planner: Planner) -> Iterator[RunPlan]:
        """The runs, planned one by one: a large grid need never be held as a whole."""
        for seed in self.seeds:
            for order in self.prefixes:
                for method in self.methods:
                    yield planner.run(method, order, seed)

    def waves(self, planner: Planner, size: int = 512) -> Iterator[list[RunPlan]]:
        """The runs in portions; what they share with an earlier portion is found in the store."""
        plans = self.plans(planner)
        while wave := list(itertools.islice(plans, size)):
            yield wave
            planner.known.clear()


@dataclass(frozen=True)
class Survey:
    """Units of a grid by kind: of all runs counted one by one, distinct ones, and those that are done already."""

    wanted: Counter[Kind]
    distinct: Counter[Kind]
    found: Counter[Kind]

    @property
    def left(self) -> Counter[Kind]:
        """Units to do."""
        return self.distinct - self.found


@dataclass(frozen=True)
class _Untrained:
    """Stands for the base model, whatever methods are in the grid."""

    name: str = "base"
    options: Mapping[str, Any] = field(default_factory=dict)
    make: None = None


def survey(grid: Grid, planner: Planner, there: set[str]) -> Survey:
    """Count the units of a grid; ``there``: keys of all finished units.

    Not every run is planned for that. Methods that train have all the same units, and share none across methods or
    seeds: one group of runs is counted for all of them. In a group that the store has states of, only as many runs are
    planned as it takes to meet every unit up to the last task that is there.
    """
    wanted, distinct, found = Counter[Kind](), Counter[Kind](), Counter[Kind]()
    trained, based = [m for m in grid.methods if m.make], any(m.make is None for m in grid.methods)
    bare = {order: planner.run(_Untrained(), order, grid.seeds[0]) for order in grid.prefixes}
    floor, cover = (
        Counter(kind_of(u) for plan in bare.values() for u in plan.units_at(0)),
        _cover(bare, 0, grid.longest),
    )
    group = _Group.of(grid, planner, trained[0]) if trained else None
    floors: dict[str, Unit] = {}
    for seed in grid.seeds:
        for plan in (planner.run(_Untrained(), order, seed) for order in cover):
            floors |= {u.key: u for u in (plan.units() if based else plan.units_at(0))}
        for method in trained:
            assert group is not None
            wanted.update(floor + group.named(group.wanted, method))
            distinct.update(group.named(group.distinct, method))
            found.update(group.found(method, seed, grid, planner, there))
        planner.known.clear()
    whole = Counter(kind_of(u) for plan in bare.values() for u in plan.units())
    for _ in range((len(grid.methods) - len(trained)) * len(grid.seeds)):
        wanted.update(whole)
    distinct.update(map(kind_of, floors.values()))
    found.update(kind_of(u) for key, u in floors.items() if key in there)
    return Survey(wanted, distinct, found)


def _cover(plans: Mapping[tuple[int, ...], RunPlan], first: int, last: int) -> list[tuple[int, ...]]:
    """Orders among whose runs every unit after ``first`` to ``last`` tasks occurs."""
    seen, cover = set[str](), list[tuple[int, ...]]()
    for order, plan in plans.items():
        keys = {u.key for i in range(first, min(last, len(order)) + 1) for u in plan.units_at(i)}
        if not keys <= seen:
            cover.append(order)
            seen |= keys
    return cover


@dataclass(frozen=True)
class _Group:
    """The runs of one method with one seed, as they are for every method and seed but for the keys.

    ``covers``: by number of tasks, orders in whose runs every unit up to that task occurs.
    """

    wanted: Counter[Kind]
    distinct: Counter[Kind]
    covers: Sequence[Sequence[tuple[int, ...]]]

    @classmethod
    def of(cls, grid: Grid, planner: Planner, method: Choice) -> _Group:
        """The group, from the runs of one method with the first seed."""
        plans = {order: planner.run(method, order, grid.seeds[0]) for order in grid.prefixes}
        own = [u for plan in plans.values() for u in _after(plan)]
        once = {u.key: u for u in own}
        covers = [_cover(plans, 1, last) for last in range(grid.longest + 1)]
        return cls(Counter(map(kind_of, own)), Counter(map(kind_of, once.values())), covers)

    def named(self, counted: Counter[Kind], method: Choice) -> Counter[Kind]:
        """Counts with the name of another method."""
        return Counter({(kind, method.name if name else ""): n for (kind, name), n in counted.items()})

    def found(self, method: Choice, seed: int, grid: Grid, planner: Planner, there: set[str]) -> Counter[Kind]:
        """The units that are there; what was learned last is looked for first, without a plan."""
        firsts = {order[:1] for order in grid.prefixes}
        if not any(t.key in there for order in firsts for t in planner.trains(method, order, seed)):
            return Counter()
        deep = max(t.number for o in grid.prefixes for t in planner.trains(method, o, seed) if t.key in there)
        plans = (planner.run(method, order, seed) for order in self.covers[deep])
        once = {u.key: u for plan in plans for i in range(1, deep + 1) for u in plan.units_at(i)}
        return Counter(kind_of(u) for key, u in once.items() if key in there)


def _after(plan: RunPlan) -> Iterator[Unit]:
    """The units of a run after its first task and later ones."""
    for i in range(1, len(plan.run.order) + 1):
        yield from plan.units_at(i)
