"""Two methods, two runs, or two folders of records: paired differences of every column under equal conditions."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...benchmark.errors import BadInput
from ...benchmark.plain_json import json_text
from ...benchmark.wording import counted
from .board import by_method, headline
from .comparability import COMPARED, by_conditions, conditions, unequal
from .entry import Entry
from .paired import Difference, difference, numbers
from .resolution import Design, Key, separated
from .stats import Estimate, deviation, estimate
from .values import VALUES

_TIMES = ("train_seconds",)
"""Columns that differ whenever something is run again."""
_LISTED = 3  # orders and names in messages; the others are counted


@dataclass(frozen=True)
class Measure:
    """One column of a comparison, over the pairs of runs that have it; values are unscaled.

    ``first``, ``second``: means of both sides; ``difference``: the first minus the second, with its 95 % interval.
    ``equal``: whether the values of every pair are equal to the last bit.
    """

    column: str
    first: float
    second: float
    difference: Estimate
    equal: bool

    @property
    def significant(self) -> bool:
        """Whether the interval of the difference excludes zero."""
        return Difference("", "", self.difference).significant


@dataclass(frozen=True)
class Comparison:
    """Two sides under equal conditions, in pairs of runs of the same order and seed.

    ``method``: what is compared, where both sides are folders. ``resolution``: the difference of average that these
    runs find with 80 % power, unscaled; infinite with fewer than three pairs. ``unpaired``: runs without a partner on
    each side. ``options``: those that differ between runs of one method, as (option, first, second).
    """

    first: str
    second: str
    method: str
    conditions: Mapping[str, str]
    headline: str
    design: Design
    measures: tuple[Measure, ...]
    resolution: float
    unpaired: tuple[int, int]
    options: tuple[tuple[str, str, str], ...] = ()

    @property
    def pairs(self) -> int:
        """How many pairs of runs there are."""
        return self.design.runs

    @property
    def equal(self) -> bool:
        """Whether all pairs have equal values in all columns but times."""
        return all(m.equal for m in self.measures if m.column not in _TIMES)

    def of(self, column: str) -> Measure | None:
        """A column; None where it was not measured."""
        return next((m for m in self.measures if m.column == column), None)


def compared(first: Sequence[Entry], second: Sequence[Entry], names: tuple[str, str]) -> list[Comparison]:
    """One comparison per set of conditions under which both sides have pairs of runs.

    Raises BadInput where there is none: it names the conditions that differ, or the orders and seeds of both sides.
    """
    one, two = by_conditions(first), by_conditions(second)
    shared = sorted((key for key in one if key in two), key=lambda key: -one[key][0].tasks)
    if not shared:
        raise BadInput(_other_conditions(one, two, names))
    found = [c for key in shared if (c := _compared(one[key], two[key], names)) is not None]
    if not found:
        key = shared[0]
        have = "; ".join(f"{name} has {_keys(runs)}" for name, runs in zip(names, (one[key], two[key]), strict=True))
        raise BadInput(f"no pairs of runs of the same order and seed: {have}.")
    return found


def compared_folders(first: Sequence[Entry], second: Sequence[Entry], names: tuple[str, str]) -> list[Comparison]:
    """One comparison per method that both folders have, and set of conditions.

    A method's options may differ between the folders; but where one of them has several sets of options, runs with
    equal options are compared. Raises BadInput where no method can be compared.
    """
    shared = _shared(first, second)
    if not shared:
        have = "; ".join(
            f"{name} has {_some(list(by_method(of)))}" for name, of in zip(names, (first, second), strict=True)
        )
        raise BadInput(f"no method with equal options is in both folders: {have}.")
    found, problems = list[Comparison](), list[str]()
    for name, (one, two) in shared.items():
        try:
            found += (replace(c, method=name) for c in compared(one, two, names))
        except BadInput as problem:
            problems.append(f"{name}: {problem}")
    if not found:
        raise BadInput(problems[0])
    return found


def only_one(first: Sequence[Entry], second: Sequence[Entry]) -> tuple[list[str], list[str]]:
    """The methods, with their options, that only the first folder has, and those that only the second has."""
    shared = {e.run.id for pair in _shared(first, second).values() for runs in pair for e in runs}
    one, two = ([row for row, own in by_method(of).items() if own[0].run.id not in shared] for of in (first, second))
    return one, two


def _shared(first: Sequence[Entry], second: Sequence[Entry]) -> dict[str, tuple[list[Entry], list[Entry]]]:
    """The runs of each method, or of each set of its options, that both sides have."""
    one, two, found = _by_options(first), _by_options(second), dict[str, tuple[list[Entry], list[Entry]]]()
    for method in (name for name in one if name in two):
        a, b = one[method], two[method]
        if len(a) == len(b) == 1:
            found[method] = next(iter(a.values())), next(iter(b.values()))
            continue
        rows = by_method([runs[0] for sets in (a, b) for runs in sets.values()])
        named = {_options_of(own[0]): row for row, own in rows.items()}
        found |= {named[options]: (a[options], b[options]) for options in a if options in b}
    return found


def _by_options(runs: Sequence[Entry]) -> dict[str, dict[str, list[Entry]]]:
    found: dict[str, dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for entry in sorted(runs, key=lambda e: e.run.method):
        found[entry.run.method][_options_of(entry)].append(entry)
    return found


def _options_of(entry: Entry) -> str:
    return json_text(entry.run.options, sort_keys=True)


def _compared(first: Sequence[Entry], second: Sequence[Entry], names: tuple[str, str]) -> Comparison | None:
    """The comparison under one set of conditions; None without a pair."""
    main = headline([*first, *second])
    one, two = ({(e.order, e.run.seed): e for e in runs} for runs in (first, second))
    keys = [key for key in one if key in two]
    if not keys:
        return None
    mine, theirs = [one[key] for key in keys], [two[key] for key in keys]
    measures = tuple(m for m in (_measure(c, main, mine, theirs) for c in VALUES) if m is not None)
    design = Design.of(keys)
    a, b = (np.array([VALUES["average"](e, main) for e in runs]) for runs in (mine, theirs))
    resolution = _resolution((a - b).tolist(), keys)
    options = _options(mine[0], theirs[0])
    rest = len(one) - len(keys), len(two) - len(keys)
    shared = conditions(mine[0])
    return Comparison(*names, "", shared, main, design, measures, resolution, rest, options)


def _resolution(differences: Sequence[float], keys: Sequence[Key]) -> float:
    """The difference that the pairs with an average show; infinite where they are too few."""
    seen = [(value, key) for value, key in zip(differences, keys, strict=True) if not np.isnan(value)]
    design = Design.of([key for _, key in seen])
    if not design.freedom:
        return float("inf")
    return separated(deviation([value for value, _ in seen], [order for _, (order, _) in seen]), design)


def _options(a: Entry, b: Entry) -> tuple[tuple[str, str, str], ...]:
    """The options that differ between two runs of one method."""
    if a.run.method != b.run.method:
        return ()
    return tuple((u.what, u.first, u.second) for u in unequal(a, b) if u.follows == COMPARED)


def _measure(column: str, main: str, first: Sequence[Entry], second: Sequence[Entry]) -> Measure | None:
    """One column over the pairs that have it; None where no pair does."""
    one, two = (numbers(runs, lambda e: VALUES[column](e, main)) for runs in (first, second))
    found = difference(one, two, ("", "")).estimate
    if not found.n:
        return None
    keys = [key for key in one if not np.isnan(one[key] - two[key])]
    a, b = (estimate([of[key] for key in keys]).value for of in (one, two))
    return Measure(column, a, b, found, all(one[key] == two[key] for key in keys))


def _other_conditions(one: Mapping[str, object], two: Mapping[str, object], names: tuple[str, str]) -> str:
    """The conditions in which two sides differ least."""
    pairs = [(json.loads(a), json.loads(b)) for a in one for b in two]
    a, b = min(pairs, key=lambda pair: sum(pair[0][key] != pair[1][key] for key in pair[0]))
    what = "; ".join(f"{key}: {a[key]} and {b[key]}" for key in a if a[key] != b[key])
    return f"{names[0]} and {names[1]} cannot be compared, because their conditions differ ({what})."


def _keys(runs: Sequence[Entry]) -> str:
    """Orders with their seeds, for a message."""
    seeds: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for key in (_key(e) for e in runs):
        seeds[key[0]].append(key[1])
    return _some([f"{','.join(order)} (seed {_some(sorted(own))})" for order, own in seeds.items()], " and ")


def _key(e: Entry) -> Key:
    return e.order, e.run.seed


def _some(items: Sequence[object], joint: str = ", ") -> str:
    """The first items, and how many more there are."""
    return joint.join(_limited(items))


def _limited(items: Sequence[object]) -> Iterator[str]:
    yield from map(str, items[:_LISTED])
    if len(items) > _LISTED:
        yield counted(len(items) - _LISTED, "other")
