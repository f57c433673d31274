"""Leaderboards: which runs may be compared, and the rows that they make."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...benchmark.errors import BadInput
from ...benchmark.plain_json import json_text
from ...benchmark.records import continual
from ...benchmark.suite.spec import load_suite, suite_names
from .comparability import at_all_strengths, full
from .entry import CEILING, FLOOR, Entry, ceiling, floor, matrix
from .paired import Rank, difference, numbers, ranks
from .resolution import Resolution, resolution
from .stats import Estimate, estimate
from .values import VALUES, average

HEADLINES = ("identity", "image_align")
DIFFERENCE = "difference"
"""The column of a method's average minus that of the baseline, over pairs of runs of equal order and seed."""
SHIPPED = "shipped"
"""Ends the names of rows whose records came with cpbench, where there are rows of the user's own."""
UPPER = "upper bound"
"""The kind of bound that a method is if it sees what others may not, such as all concepts at once."""


@dataclass(frozen=True)
class Line:
    """One row of a leaderboard, with its values by column.

    ``bound``: :data:`UPPER`, "floor" or "ceiling" for a row that does not compete; empty for the others.
    """

    method: str
    bound: str
    values: dict[str, Estimate]

    @property
    def title(self) -> str:
        """The name of the method; for an upper bound, with these words before it."""
        return f"{UPPER}: {self.method}" if self.bound == UPPER else self.method

    @property
    def competes(self) -> bool:
        """False for bounds and for the base model, which forgets nothing because it learns nothing."""
        return not self.bound and self.method not in ("base", f"base ({SHIPPED})")


@dataclass(frozen=True)
class Board:
    """A leaderboard: rows that may be compared, and the conditions that all their runs share."""

    conditions: dict[str, str]
    headline: str
    tasks: int
    lines: tuple[Line, ...]
    results: tuple[Entry, ...]
    runs: Mapping[str, Sequence[Entry]]
    """The results by method, as :func:`by_method` names them."""
    ranks: Mapping[str, Rank]
    """Places by average, of methods that are not bounds and have an interval."""
    baseline: str | None = None
    """The method that is subtracted in the column :data:`DIFFERENCE`, as it was asked for."""
    tuned: frozenset[str] = frozenset()
    """The rows whose options are the defaults of their method, as far as these are known."""
    strengths: tuple[Entry, ...] = ()
    """Runs at all strengths of the change, if there are others than those of the rows; see :mod:`.strengths`."""

    @property
    def compared(self) -> bool:
        """Whether rows have a difference from the baseline."""
        return any(DIFFERENCE in line.values for line in self.lines)

    @cached_property
    def resolution(self) -> Resolution | None:
        """The smallest difference of average that these runs show; None where fewer than two methods compete."""
        rivals = {x.method: self.runs[x.method] for x in self.lines if x.competes}
        return resolution(rivals, average(self.headline))


def headline(results: Iterable[Entry]) -> str:
    """The metric of a leaderboard: the first of :data:`HEADLINES` that all its records have, else that most have."""
    measured = [r.cells for r in results]
    counts = {m: sum(m in have for have in measured) for m in HEADLINES[::-1]}
    return next((m for m in HEADLINES if counts[m] == len(measured)), max(counts, key=lambda m: counts[m]))


def boards(results: Sequence[Entry], upper: Collection[str] = (), baseline: str | None = None) -> list[Board]:
    """The leaderboards of some records: one for each set of conditions, longest sequences first.

    Shipped records are shown beside runs of the user's own only, if there are any. ``upper`` are the methods that are
    upper bounds, by their names in the records. ``baseline``: the method from which
    the others' averages are subtracted (column :data:`DIFFERENCE`); raises BadInput where it ran with several options.
    """
    groups = at_all_strengths(results)
    shown = [key for key, own in sorted(groups.items()) if not all(result.shipped for result in own)]
    found = [_with_strengths(_board(json.loads(k), full(groups[k]), upper, baseline), groups[k]) for k in shown]
    return sorted(found, key=lambda board: -board.tasks)


def _with_strengths(board: Board, results: Sequence[Entry]) -> Board:
    return replace(board, strengths=tuple(results)) if len(results) > len(board.results) else board


def by_method(results: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Records by method; names list the options that differ where a method ran with several sets of them.

    Shipped records are apart from own ones, under names with :data:`SHIPPED` in brackets.
    """
    sets: dict[str, dict[tuple[str, bool], list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        sets[result.run.method][json_text(result.run.options, sort_keys=True), result.shipped].append(result)
    named: dict[str, list[Entry]] = {}
    for method, variants in sorted(sets.items()):
        several = list(dict.fromkeys(options for options, _ in variants))
        for (options, shipped), runs in sorted(variants.items()):
            marks = [_differing(options, several)] * (len(several) > 1) + [SHIPPED] * shipped
            named[f"{method} ({', '.join(marks)})" if marks else method] = runs
    return named


def _differing(options: str, variants: list[str]) -> str:
    """The options of one variant that are not the same in all variants, such as "rank=4, without ewc.strength"."""
    own, *others = (flat(json.loads(o)) for o in (options, *variants))
    keys = sorted({k for other in others for k in other})
    differing = [k for k in keys if any(other.get(k) != own.get(k) for other in others)]
    return ", ".join(f"{k}={own[k]}" if k in own else f"without {k}" for k in differing)


def flat(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options by ``section.option``; a plug-in has its package and its factory beside them."""
    parts = (part if isinstance(part, dict) else {"": part} for part in options.values())
    return {f"{s}.{k}".rstrip("."): v for s, part in zip(options, parts, strict=True) for k, v in part.items()}


def _board(shared: dict[str, str], results: list[Entry], upper: Collection[str], baseline: str | None) -> Board:
    main = headline(results)
    runs = by_method(results)
    row = row_of(baseline, runs) if baseline is not None else None
    other = runs[row] if row is not None else None
    bounds = {name: UPPER if own[0].run.method in upper else "" for name, own in runs.items()}
    lines = [Line(name, bounds[name], _values(own, main, other)) for name, own in runs.items()]
    lines.sort(key=lambda x: (x.bound, np.isnan(x.values["average"].value), -x.values["average"].value))
    every = (*lines, *_bounds(results, main))
    ranked = _ranks(lines, runs, main)
    return Board(shared, main, len(results[0].run.order), every, tuple(results), runs, ranked, baseline)


def row_of(name: str, runs: Mapping[str, Sequence[Entry]]) -> str | None:
    """The row of a board that a name means: the one of this title, or the only one of this method, own ones first.

    None where there is none. Raises BadInput where the method ran with several sets of options.
    """
    if name in runs:
        return name
    rows = [row for row, own in runs.items() if own[0].run.method == name]
    rows = [row for row in rows if not runs[row][0].shipped] or rows
    if len(rows) > 1:
        where, named = runs[rows[0]][0].run.suite, " or ".join(f"'{row}'" for row in rows)
        raise BadInput(f"{name} ran with several sets of options on {where}; give one of its rows, {named}.")
    return rows[0] if rows else None


def _ranks(lines: list[Line], runs: Mapping[str, Sequence[Entry]], main: str) -> dict[str, Rank]:
    rivals = [line for line in lines if not line.bound]
    found = ranks({line.method: runs[line.method] for line in rivals}, average(main))
    return {line.method: found[line.method] for line in rivals if line.values["average"].interval is not None}


def copying(board: Board) -> list[str]:
    """Methods whose pictures are on average closer to the real pictures than other real pictures are."""
    level = _bound(ceiling, list(board.results), "image_align").value
    runs = board.runs
    means = {
        name: estimate([continual.average(matrix(r, "image_align")) for r in own]).value for name, own in runs.items()
    }
    return [name for name, mean in means.items() if mean > level]


def _values(runs: list[Entry], main: str, other: Sequence[Entry] | None) -> dict[str, Estimate]:
    """The columns of one method, each estimated over its runs (orders × seeds); and its difference from another."""
    orders = [result.order for result in runs]
    columns = {name: estimate([of(result, main) for result in runs], orders) for name, of in VALUES.items()}
    if other is None or runs is other:
        return columns
    one, two = (numbers(of, average(main)) for of in (runs, other))
    return columns | {DIFFERENCE: difference(one, two, ("", "")).estimate}


def _bounds(results: list[Entry], main: str) -> list[Line]:
    """The floor (base model before any task) and the ceiling (held-out real pictures), over runs that have them."""
    metrics = {"average": main, "text_align": "text_align", "mmd": "mmd", "kid": "kid"}
    rows = ((FLOOR, "floor", floor), (CEILING, "ceiling", ceiling))
    return [Line(name, kind, {c: _bound(f, results, m) for c, m in metrics.items()}) for name, kind, f in rows]


def _bound(of: Callable[[Entry, str], float], results: list[Entry], metric: str) -> Estimate:
    """The mean of a bound over the runs that have it; without an interval, because runs share it."""
    seen = [value for r in results if not np.isnan(value := of(r, metric))]
    return Estimate(float(np.mean(seen)) if seen else float("nan"), None, len(seen))


def pareto(points: Sequence[tuple[float, float]], *, smaller_x: bool, smaller_y: bool) -> list[bool]:
    """Which points no other point beats; one beats another if it is no worse in both values and better in one."""
    signed = [(a if smaller_x else -a, b if smaller_y else -b) for a, b in points]
    return [not any((c <= a and d <= b) and (c, d) != (a, b) for c, d in signed) for a, b in signed]


def first_run(entry: Entry) -> tuple[int, bool, list[str]]:
    """A key by which all methods show the same run first: the lowest seed, on the suite's own order if known."""
    run, given = entry.run, _given_order(entry.run.suite)
    return run.seed, given is not None and entry.order != given, run.order


@cache
def _given_order(suite: str) -> tuple[str, ...] | None:
    """The concepts of a shipped suite, or None; its file takes 20 ms, and a board asks for each run many times."""
    return tuple(c.name for c in load_suite(suite).concepts) if suite in suite_names() else None


@dataclass(frozen=True)
class About:
    """A method in words: its adapter and consolidations, a sentence, and the address of its paper.

    ``bound`` marks an upper bound, which does not compete. ``options``: its defaults by section.
    """

    adapter: str
    consolidations: tuple[str, ...]
    sentence: str
    paper: str
    bound: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


Methods = Mapping[str, About]
"""Descriptions of methods by name."""

FindPictures = Callable[[str], list[Path]]
"""Gives the PNG files of a unit by its key; none where the store no longer has it."""
