"""How much of the work of a grid is shared or already done, counted without planning every run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from .choices import Choice
from .grid import Grid
from .planner import Planner
from .units import Kind, RunPlan, Unit, gather, kind_of

Order = tuple[int, ...]


@dataclass(frozen=True)
class Survey:
    """Units of a grid by kind: the sum over all runs, the distinct ones, and those found in the store."""

    wanted: Counter[Kind]
    distinct: Counter[Kind]
    found: Counter[Kind]

    @property
    def left(self) -> Counter[Kind]:
        """Units to do."""
        return self.distinct - self.found


@dataclass(frozen=True)
class Untrained:
    """The base model as a choice of method: it never learns."""

    name: str = "base"
    options: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    make: None = None


def survey_of(plans: Sequence[RunPlan], there: AbstractSet[str]) -> Survey:
    """Count the units of a few runs by planning all of them."""
    wanted = Counter(kind_of(unit) for plan in plans for unit in plan.units())
    units = gather(plans)
    found = Counter(kind_of(unit) for key, unit in units.items() if key in there)
    return Survey(wanted, Counter(map(kind_of, units.values())), found)


def survey(
    grid: Grid, planner: Planner, there: AbstractSet[str], on_seed: Callable[[int, int], None] = lambda done, of: None
) -> Survey:
    """Count the units of a grid; ``there``: keys of all finished units; ``on_seed(done, of)`` is called per seed.

    All methods that train need the same kinds of units, and share none across methods or seeds: the units of one method
    with one seed are counted for all. Finished units are searched along the chains: only runs whose trained states are
    stored are planned. So the time grows with the states in the store, not with the runs of the grid.
    """
    trained = [m for m in grid.methods if m.make]
    base = _Base.of(grid, planner)
    group = _Group.of(grid, planner, trained[0]) if trained else None
    wanted = _times(base.wanted, (len(grid.methods) - len(trained)) * len(grid.seeds))
    distinct = base.distinct + _times(base.of_seed, len(grid.seeds) - 1)
    for method in trained:
        assert group is not None
        wanted.update(_times(base.beside + _named(group.wanted, method), len(grid.seeds)))
        distinct.update(_times(_named(group.distinct, method), len(grid.seeds)))
    found = Counter[Kind]()
    for done, seed in enumerate(grid.seeds if there else ()):
        found.update(base.found(seed, planner, there))
        for method in trained:
            assert group is not None
            found.update(group.found(method, seed, planner, there))
        planner.known.clear()
        on_seed(done + 1, len(grid.seeds))
    return Survey(wanted, distinct, found)


@dataclass(frozen=True)
class _Base:
    """The units of the base model and of real pictures.

    ``wanted``: units of all runs of the base model with one seed; ``beside``: those that the runs of one method that
    trains need of them. ``distinct``: units with the first seed, ``seed``, with keys ``first``; ``of_seed``: units that
    each further seed adds. ``cover``: orders whose runs have all of these units; ``alone``: whether the grid has runs
    of the base model.
    """

    wanted: Counter[Kind]
    beside: Counter[Kind]
    distinct: Counter[Kind]
    of_seed: Counter[Kind]
    seed: int
    first: AbstractSet[str]
    cover: Sequence[Order]
    alone: bool

    @classmethod
    def of(cls, grid: Grid, planner: Planner) -> _Base:
        """Count the units of the runs with the first seed."""
        alone = any(m.make is None for m in grid.methods)
        plans = {order: planner.run(Untrained(), order, grid.seeds[0]) for order in grid.prefixes}
        cover = _news(plans, lambda plan: _floors(plan, alone))
        first = {u.key: kind_of(u) for order in cover for u in _floors(plans[order], alone)}
        other = [planner.run(Untrained(), order, seed) for order in cover for seed in grid.seeds[1:2]]
        of_seed = {u.key: kind_of(u) for plan in other for u in _floors(plan, alone) if u.key not in first}
        wanted = Counter(kind_of(u) for plan in plans.values() for u in plan.units())
        beside = Counter(kind_of(u) for plan in plans.values() for u in plan.units_at(0))
        distinct = Counter(first.values()), Counter(of_seed.values())
        return cls(wanted, beside, *distinct, grid.seeds[0], set(first), cover, alone)

    def found(self, seed: int, planner: Planner, there: AbstractSet[str]) -> Counter[Kind]:
        """The units of a seed that are stored; those that all seeds share count with the first seed."""
        plans = [planner.run(Untrained(), order, seed) for order in self.cover]
        once = {u.key: kind_of(u) for plan in plans for u in _floors(plan, self.alone)}
        counted = self.first if seed != self.seed else frozenset[str]()
        return Counter(kind for key, kind in once.items() if key in there and key not in counted)


def _floors(plan: RunPlan, alone: bool) -> Iterable[Unit]:
    """Units of a run of the base model; without ``alone``, only those that runs of other methods need too."""
    return plan.units() if alone else plan.units_at(0)


@dataclass(frozen=True)
class _Group:
    """The runs of one method with one seed; those of other methods and seeds differ only in their keys.

    ``chains``: the longest orders; all others are their prefixes. ``news``: by number of tasks, orders whose runs have
    every unit after that many tasks.
    """

    wanted: Counter[Kind]
    distinct: Counter[Kind]
    chains: Sequence[Order]
    news: Mapping[int, Sequence[Order]]

    @classmethod
    def of(cls, grid: Grid, planner: Planner, method: Choice) -> _Group:
        """Count the units of the runs of one method with the first seed."""
        plans = {order: planner.run(method, order, grid.seeds[0]) for order in grid.prefixes}
        own = [u for plan in plans.values() for u in _after(plan)]
        once = {u.key: kind_of(u) for u in own}
        inner = {order[:n] for order in plans for n in range(len(order))}
        news = {i: _news(plans, lambda plan, i=i: plan.units_at(i)) for i in range(1, max(grid.lengths) + 1)}  # type: ignore[misc]
        return cls(Counter(map(kind_of, own)), Counter(once.values()), [o for o in plans if o not in inner], news)

    def found(self, method: Choice, seed: int, planner: Planner, there: AbstractSet[str]) -> Counter[Kind]:
        """The units of a method and seed that are stored."""
        reached = self._reached(method, seed, planner, there)
        steps = [(i, order) for i, news in self.news.items() for order in news if order[:i] in reached]
        plans = {order: planner.run(method, order, seed) for order in {order for _, order in steps}}
        once = {u.key: kind_of(u) for i, order in steps for u in plans[order].units_at(i)}
        return Counter(kind for key, kind in once.items() if key in there)

    def _reached(self, method: Choice, seed: int, planner: Planner, there: AbstractSet[str]) -> set[Order]:
        """Prefixes of orders whose trained state or a later one is stored; and the last, if the last but one is stored.

        A lost state does not hide the later ones, unless those of task 1 and 2 are both lost.
        """
        begun, reached = {}, set[Order]()
        for first in {o[:2] for o in self.chains}:
            begun[first] = any(t.key in there for t in planner.trains(method, first, seed))
        for order in (o for o in self.chains if begun[o[:2]]):
            last = max(t.number for t in planner.trains(method, order, seed) if t.key in there)
            last += last == len(order) - 1  # pictures of the last state may be stored without it
            reached |= {order[:n] for n in range(1, last + 1)}
        return reached


def _news(plans: Mapping[Order, RunPlan], units: Callable[[RunPlan], Iterable[Unit]]) -> list[Order]:
    """Orders with units that no earlier order has; together, their runs have every unit."""
    seen, news = set[str](), list[Order]()
    for order, plan in plans.items():
        keys = {u.key for u in units(plan)}
        if not keys <= seen:
            news.append(order)
            seen |= keys
    return news


def _after(plan: RunPlan) -> Iterator[Unit]:
    """The units of a run after its first task and after later ones."""
    for i in range(1, len(plan.run.order) + 1):
        yield from plan.units_at(i)


def _named(counted: Counter[Kind], method: Choice) -> Counter[Kind]:
    """Counts, with the name of a method in place of the original one."""
    return Counter({(kind, method.name if name else ""): n for (kind, name), n in counted.items()})


def _times(counted: Counter[Kind], n: int) -> Counter[Kind]:
    """Counts, each ``n`` times."""
    return Counter({kind: n * count for kind, count in counted.items() if n})
