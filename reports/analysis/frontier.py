"""Methods as curves: plasticity against forgetting over the values of one option, all other options being equal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...benchmark.plain_json import json_text
from .board import Board, Methods, flat
from .stats import Estimate, estimate
from .values import VALUES

LEAST = 3
"""The fewest values of an option that make a curve."""
REFERENCES = ("base", "lora", "independent", "joint")
"""Methods without an option of their own that trades plasticity for forgetting: points beside the curves."""

_Key = tuple[tuple[str, ...], int]


@dataclass(frozen=True)
class Spot:
    """One row of a board: both values over its runs (unscaled), and those of each run, (forgetting, plasticity).

    ``keys``: the order and seed of each run. ``tuned``: whether the row has the default options of its method.
    """

    row: str
    keys: tuple[_Key, ...]
    runs: tuple[tuple[float, float], ...]
    tuned: bool = False

    @cached_property
    def forgetting(self) -> Estimate:
        """Over the runs."""
        return self._estimate(0)

    @cached_property
    def plasticity(self) -> Estimate:
        """Over the runs."""
        return self._estimate(1)

    def _estimate(self, which: int) -> Estimate:
        return estimate([run[which] for run in self.runs], [order for order, _ in self.keys])

    def among(self, keys: Collection[_Key]) -> Spot:
        """The same row with the runs of some orders and seeds only."""
        kept = [k for k, key in enumerate(self.keys) if key in keys]
        return replace(self, keys=tuple(self.keys[k] for k in kept), runs=tuple(self.runs[k] for k in kept))


@dataclass(frozen=True)
class Curve:
    """The rows of a method that differ in one option (``section.option``) only, by its values in ascending order.

    All spots are of the same orders and seeds, those that all rows have: other runs would move them apart.
    """

    method: str
    option: str
    values: tuple[float, ...]
    spots: tuple[Spot, ...]


def tuned_rows(board: Board, methods: Methods) -> frozenset[str]:
    """The rows whose options are the defaults of their method; those of methods that are not installed are unknown."""
    return frozenset(row for row, own in board.runs.items() if _is_default(own[0].run.method, board, row, methods))


def _is_default(method: str, board: Board, row: str, methods: Methods) -> bool:
    if method not in methods:
        return False
    own, defaults = flat(board.runs[row][0].run.options), flat(methods[method].options)
    return all(own.get(key) == value for key, value in defaults.items())


def frontier(board: Board) -> list[Curve]:
    """A curve for each option of which a method ran with at least :data:`LEAST` values, by method and option.

    Which option varies is found from the options. Where several sets of the other options have a curve, it is that of
    the tuned row, or else that of the most values. Rows without plasticity or forgetting are left out.
    """
    return [curve for method, rows in _measured(board).items() for curve in _curves(method, rows)]


def references(board: Board) -> dict[str, Spot]:
    """The rows of :data:`REFERENCES` by method: of one with several, that of the default options or the most runs."""
    measured = _measured(board)
    beside = {m: [spot for _, spot in measured[m]] for m in REFERENCES if m in measured}
    return {
        method: max(spots, key=lambda s: (s.tuned, len(s.runs)))
        for method, spots in beside.items()
        if not any(_curves(method, measured[method]))
    }


_Row = tuple[Mapping[str, Any], Spot]


def _measured(board: Board) -> dict[str, list[_Row]]:
    """The options and the spot of each measured row, by method; shipped rows only where there is no own one."""
    found: dict[str, dict[str, _Row]] = defaultdict(dict)
    main = board.headline
    for row, own in sorted(board.runs.items(), key=lambda item: (item[1][0].shipped, item[0])):
        one = own[0].run
        forgetting, plasticity = (VALUES[key] for key in ("forgetting", "plasticity"))
        pairs = {(e.order, e.run.seed): (forgetting(e, main), plasticity(e, main)) for e in own}
        if seen := {key: pairs[key] for key in sorted(pairs) if not np.isnan(pairs[key]).any()}:
            spot = Spot(row, tuple(seen), tuple(seen.values()), row in board.tuned)
            found[one.method].setdefault(json_text(one.options, sort_keys=True), (flat(one.options), spot))
    return {method: list(rows.values()) for method, rows in sorted(found.items())}


def _curves(method: str, rows: Sequence[_Row]) -> Iterator[Curve]:
    for option in sorted({key for options, _ in rows for key in options}):
        groups: dict[str, list[tuple[float, Spot]]] = defaultdict(list)
        for options, spot in rows:
            if _is_number(options.get(option)):
                rest = {key: value for key, value in options.items() if key != option}
                groups[json_text(rest, sort_keys=True)].append((options[option], spot))
        best = max(groups.values(), key=_preference, default=[])
        if len(best) >= LEAST:
            values, spots = zip(*sorted(best, key=lambda point: point[0]), strict=True)
            if common := set.intersection(*(set(spot.keys) for spot in spots)):
                yield Curve(method, option, values, tuple(spot.among(common) for spot in spots))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _preference(points: Sequence[tuple[float, Spot]]) -> tuple[bool, bool, int]:
    """Enough values before the tuned row before more values."""
    return len(points) >= LEAST, any(spot.tuned for _, spot in points), len(points)
