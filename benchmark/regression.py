"""Whether new runs equal stored ones: exactly where they must, else within what seeds alone would move.

Runs made with the same numerics (:func:`.environment.numerics`) must have the same scores to the last bit. Elsewhere
each summary of a new run is held against the runs of all stored seeds: were it one more seed, its distance from their
mean would be s sqrt(1 + 1/K) t, with s pooled over methods (the same summary, each around its own mean) and t of
Student with the degrees of freedom of s. The level is divided by the number of comparisons (Bonferroni), so that a
check of runs that did not change fails with probability :data:`FALSE_ALARM` at most.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from .environment import numerics
from .results import Result, Run, Score

FALSE_ALARM = 0.01
Place = tuple[str, tuple[str, ...]]
"""A method and an order of concepts: runs that differ only in their seed share it."""


@dataclass(frozen=True)
class Moved:
    """One thing that is not as it was; ``allowed`` is how far it might have moved (0 where it had to be equal)."""

    run: str
    what: str
    stored: str
    now: str
    allowed: float


@dataclass(frozen=True)
class Verdict:
    """What was compared for one new run, and what moved. ``exact``: bit for bit."""

    run: Run
    exact: bool
    compared: int
    moved: tuple[Moved, ...]


def place_of(run: Run) -> Place:
    """Where a run stands, whatever its seed."""
    return run.method, tuple(run.order)


def judge(stored: Sequence[Result], new: Sequence[Result]) -> list[Verdict]:
    """Compare each new run with the stored one of the same method, order and seed, and with the other seeds."""
    twins: dict[tuple[Place, int], list[Result]] = defaultdict(list)
    for r in stored:
        twins[place_of(r.run), r.run.seed].append(r)
    pairs = [(r, _nearest(r, twins[place_of(r.run), r.run.seed])) for r in new]
    alike = [numerics(r.environment) == numerics(twin.environment) for r, twin in pairs]
    inexact = [r for (r, _), same in zip(pairs, alike, strict=True) if not same]
    tolerance = tolerances(stored, sum(len(summaries(r)) for r in inexact))
    return [
        _changed_conditions(result, twin) or (_exact(result, twin) if same else _within(result, stored, tolerance))
        for (result, twin), same in zip(pairs, alike, strict=True)
    ]


def _nearest(result: Result, twins: Sequence[Result]) -> Result:
    """The twin with the same options, else the first: what differs is then told."""
    return next((t for t in twins if t.run.options == result.run.options), twins[0])


def summaries(result: Result) -> dict[str, float]:
    """Mean over concepts of each metric: right after its task (``learned``), and after the last (``at the end``)."""
    found: dict[str, list[float]] = defaultdict(list)
    cells: dict[tuple[str, int, int, str], list[Score]] = defaultdict(list)
    for score in result.scores:
        if score.source == "model" and score.other is None and score.i:
            cells[score.metric, score.i, score.j, score.concept].append(score)
    for (metric, i, j, _), rows in cells.items():
        value = float(np.mean([s.value for s in rows]))
        if i == j:
            found[f"{metric}, learned"].append(value)
        if i == len(result.run.order):
            found[f"{metric}, at the end"].append(value)
    return {name: float(np.mean(values)) for name, values in sorted(found.items())}


def tolerances(stored: Iterable[Result], comparisons: int) -> dict[str, float]:
    """How far each summary of one more seed may lie from the mean of the stored ones, in units of sqrt(1 + 1/K).

    Infinite where no method has two seeds: nothing is known of the spread then.
    """
    groups: dict[tuple[str, Place], list[float]] = defaultdict(list)
    for result in stored:
        for name, value in summaries(result).items():
            groups[name, place_of(result.run)].append(value)
    squares: dict[str, float] = defaultdict(float)
    freedom: dict[str, int] = defaultdict(int)
    for (name, _), values in groups.items():
        squares[name] += float(np.var(values) * len(values))
        freedom[name] += len(values) - 1
    level = 1 - FALSE_ALARM / (2 * max(1, comparisons))
    return {
        name: math.sqrt(squares[name] / df) * float(student.ppf(level, df)) if df else math.inf
        for name, df in freedom.items()
    }


def _changed_conditions(result: Result, twin: Result) -> Verdict | None:
    """The verdict on a run that was not made as the stored one; a device of another kind may do."""
    told = {"device", "dtype"}
    a, b = (r.run.model_dump(exclude=told) for r in (twin, result))
    moved = [Moved(_name(result), key, str(a[key]), str(b[key]), 0.0) for key in a if a[key] != b[key]]
    if result.status != "ok":
        moved.append(Moved(_name(result), "status", "ok", str(result.error), 0.0))
    return Verdict(result.run, True, len(a), tuple(moved)) if moved else None


def _exact(result: Result, twin: Result) -> Verdict:
    a, b = ({_place(s): s.value for s in r.scores} for r in (twin, result))
    keys = sorted(a.keys() | b.keys(), key=str)
    moved = (
        Moved(_name(result), _told(key), _number(a.get(key)), _number(b.get(key)), 0.0)
        for key in keys
        if a.get(key) != b.get(key)
    )
    return Verdict(result.run, True, len(keys), tuple(moved))


def _within(result: Result, stored: Sequence[Result], tolerance: Mapping[str, float]) -> Verdict:
    peers = [summaries(r) for r in stored if place_of(r.run) == place_of(result.run)]
    moved, own = [], summaries(result)
    for name, value in own.items():
        values = [p[name] for p in peers if name in p]
        allowed = tolerance.get(name, math.inf) * math.sqrt(1 + 1 / max(1, len(values)))
        if values and abs(value - float(np.mean(values))) > allowed:
            moved.append(Moved(_name(result), name, _number(float(np.mean(values))), _number(value), allowed))
    return Verdict(result.run, False, len(own), tuple(moved))


def _place(score: Score) -> tuple[object, ...]:
    return score.source, score.metric, score.i, score.j, score.concept, score.prompt, score.other


def _told(place: tuple[object, ...]) -> str:
    source, metric, i, _, concept, prompt, other = place
    told = f"{metric} of {concept}" + (f" taken for {other}" if other else "")
    told += f", prompt {prompt}" if prompt is not None else ""
    return f"{told}, real pictures" if source == "real" else f"{told}, after task {i}"


def _name(result: Result) -> str:
    return f"{result.run.method} (seed {result.run.seed})"


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.6g}"
