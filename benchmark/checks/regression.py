"""Compares new runs with stored ones: bit for bit on the same machine, else within the spread between seeds.

Runs with the same numerics (:func:`.records.stamp.numerics`) must have equal scores to the last bit. Otherwise each
summary of a new run is compared with the mean of the K stored seeds. If the new run were one more seed, its distance
would follow s √(1 + 1/K) t. Here s is the greatest of three: the spread of the method's seeds; the spread of all
methods of the suite, pooled around their own means; and the change of the summary by one picture, since a share that is
equal for all seeds can still change by that much. t is Student's with at most :data:`FREEDOM` degrees of freedom:
methods differ in their spread, so the pooled estimate has fewer effective degrees than nominal ones. The level is
divided by the number of comparisons (Bonferroni), so that a check of unchanged runs fails with probability
:data:`FALSE_ALARM`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from ..records.result import Result, Run, Score
from ..records.stamp import MADE_ON, numerics

FALSE_ALARM = 0.01
"""The probability that a check of unchanged runs fails, where bits may differ."""
FREEDOM = 8
POWER = 0.8
"""The probability that a change of the size of the resolution is found."""
RunPlace = tuple[str, tuple[str, ...]]
"""A method and an order of concepts; runs that differ in their seed only share it."""


@dataclass(frozen=True)
class Mismatch:
    """One value that differs from the stored one by more than ``allowed``, which is 0 if it had to be equal."""

    run: str
    what: str
    stored: str
    now: str
    allowed: float


@dataclass(frozen=True)
class Verdict:
    """The comparison of one new run: the number of values compared, and those that differ. ``exact``: bit for bit.

    ``resolution``: by summary, the change that is found with probability :data:`POWER`; smaller ones are likely to be
    missed. Empty where bits must be equal; infinite where the spread between seeds is unknown.
    """

    run: Run
    exact: bool
    compared: int
    differences: tuple[Mismatch, ...]
    resolution: Mapping[str, float] = field(default_factory=dict)


def place_of(run: Run) -> RunPlace:
    """The method and the order of a run."""
    return run.method, tuple(run.order)


def judge(stored: Sequence[Result], new: Sequence[Result], pool: Sequence[Result] = ()) -> list[Verdict]:
    """Compare each new run with the stored one of the same method, order and seed, and with the other seeds.

    ``pool``: all stored runs of the suite, for its spread between seeds; by default ``stored``. Raises IndexError for
    a new run without a stored one.
    """
    twins: dict[tuple[RunPlace, int], list[Result]] = defaultdict(list)
    for r in stored:
        twins[place_of(r.run), r.run.seed].append(r)
    pairs = [(r, _nearest(r, twins[place_of(r.run), r.run.seed])) for r in new]
    alike = [_same_numerics(r, twin) for r, twin in pairs]
    inexact = [r for (r, _), same in zip(pairs, alike, strict=True) if not same]
    spread, comparisons = spread_of((pool or stored) if inexact else ()), sum(len(summaries(r)) for r in inexact)
    return [
        _changed_conditions(result, twin)
        or (_exact(result, twin) if same else _within(result, stored, spread, comparisons))
        for (result, twin), same in zip(pairs, alike, strict=True)
    ]


def _same_numerics(a: Result, b: Result) -> bool:
    same = (a.run.dtype, numerics(a.environment)) == (b.run.dtype, numerics(b.environment))
    return same and _of_one_machine(a) and _of_one_machine(b)


def _of_one_machine(result: Result) -> bool:
    """Whether one known machine computed all units. With several, the machine of a unit differs from run to run."""
    made = result.environment.get(MADE_ON)
    return made is None or (len(made) == 1 and made[0] != {})


def _options(run: Run) -> dict[str, Any]:
    """Options without the version of a plug-in's package, since a check is meant to find what a new version changes."""
    return {key: value for key, value in run.options.items() if key != "package"}


def _nearest(result: Result, twins: Sequence[Result]) -> Result:
    """The stored run with the same options, else the first, so that the differing options are reported."""
    return next((t for t in twins if _options(t.run) == _options(result.run)), twins[0])


def _cells(result: Result) -> dict[str, list[list[Score]]]:
    """The rows of each cell, by summary: right after its task (``learned``), or after the last one (``at the end``)."""
    cells: dict[tuple[str, int, int, str], list[Score]] = defaultdict(list)
    for score in result.scores:
        if score.source == "model" and score.other is None and score.i:
            cells[score.metric, score.i, score.j, score.concept].append(score)
    found: dict[str, list[list[Score]]] = defaultdict(list)
    for (metric, i, j, _), rows in sorted(cells.items()):
        if i == j:
            found[f"{metric}, learned"].append(rows)
        if i == len(result.run.order):
            found[f"{metric}, at the end"].append(rows)
    return dict(sorted(found.items()))


def summaries(result: Result) -> dict[str, float]:
    """The mean over concepts of each metric, right after a concept's task (``learned``) and after the last task.

    Keys are ``"identity, learned"`` and ``"identity, at the end"``.
    """
    return {name: _mean(cells) for name, cells in _cells(result).items()}


def _mean(cells: Sequence[Sequence[Score]]) -> float:
    return float(np.mean([np.mean([s.value for s in rows]) for rows in cells]))


@dataclass(frozen=True)
class SeedSpread:
    """The standard deviation of each summary between seeds.

    ``pooled`` over methods, with its degrees of ``freedom``; ``own``, of one method and order. ``picture`` is the
    change of a share by one picture.
    """

    pooled: Mapping[str, float]
    freedom: Mapping[str, int]
    own: Mapping[tuple[str, RunPlace], float]
    picture: Mapping[str, float]

    def allowed(self, name: str, place: RunPlace, seeds: int, comparisons: int) -> float:
        """The allowed distance of a new run from the mean of ``seeds`` stored ones; infinite if no spread is known."""
        if name not in self.pooled:
            return math.inf
        t = student.ppf(1 - FALSE_ALARM / (2 * comparisons), min(FREEDOM, self.freedom[name]))
        return float(t * self._deviation(name, place, seeds))

    def resolution(self, name: str, place: RunPlace, seeds: int, comparisons: int) -> float:
        """The change of a new run that exceeds what is allowed with probability :data:`POWER`.

        Such a change must be larger than what is allowed by the quantile of the power, since seeds also move the
        difference downwards.
        """
        if name not in self.pooled:
            return math.inf
        above = float(norm.ppf(POWER)) * self._deviation(name, place, seeds)
        return self.allowed(name, place, seeds, comparisons) + above

    def _deviation(self, name: str, place: RunPlace, seeds: int) -> float:
        """The standard deviation of the distance of one more seed from the mean of ``seeds`` stored ones."""
        s = max(self.pooled[name], self.own.get((name, place), 0.0), self.picture[name])
        return s * math.sqrt(1 + 1 / seeds)


def spread_of(stored: Iterable[Result]) -> SeedSpread:
    """The spread between the seeds of stored runs; a summary needs at least one method with two seeds."""
    groups: dict[str, dict[RunPlace, list[float]]] = defaultdict(lambda: defaultdict(list))
    picture: dict[str, float] = {}
    for result in stored:
        for name, cells in _cells(result).items():
            groups[name][place_of(result.run)].append(_mean(cells))
            picture[name] = 1 / sum(s.n for rows in cells for s in rows)
    pooled, freedom, own = dict[str, float](), dict[str, int](), dict[tuple[str, RunPlace], float]()
    for name, places in groups.items():
        several = {place: v for place, v in places.items() if len(v) > 1}
        if several:
            freedom[name] = sum(len(v) - 1 for v in several.values())
            pooled[name] = math.sqrt(sum(np.var(v) * len(v) for v in several.values()) / freedom[name])
            own |= {(name, place): float(np.std(v, ddof=1)) for place, v in several.items()}
    return SeedSpread(pooled, freedom, own, picture)


def _changed_conditions(result: Result, twin: Result) -> Verdict | None:
    """The verdict on a run that failed, or has other settings than the stored one; device and dtype may differ."""
    ignored = {"device", "dtype"}
    a, b = (r.run.model_dump(exclude=ignored) | {"options": _options(r.run)} for r in (twin, result))
    differences = [Mismatch(_name(result), key, str(a[key]), str(b[key]), 0.0) for key in a if a[key] != b[key]]
    if result.status != "ok":
        differences.append(Mismatch(_name(result), "status", "ok", str(result.error), 0.0))
    return Verdict(result.run, True, len(a), tuple(differences)) if differences else None


def _exact(result: Result, twin: Result) -> Verdict:
    a, b = ({_place(s): s.value for s in r.scores} for r in (twin, result))
    keys = sorted(a.keys() | b.keys(), key=str)
    differences = (
        Mismatch(_name(result), _described(key), _number(a.get(key)), _number(b.get(key)), 0.0)
        for key in keys
        if a.get(key) != b.get(key)
    )
    return Verdict(result.run, True, len(keys), tuple(differences))


def _within(result: Result, stored: Sequence[Result], spread: SeedSpread, comparisons: int) -> Verdict:
    place, own, differences, resolution = place_of(result.run), summaries(result), [], dict[str, float]()
    peers = [summaries(r) for r in stored if place_of(r.run) == place and _options(r.run) == _options(result.run)]
    for name, value in own.items():
        values = [p[name] for p in peers if name in p]
        allowed = spread.allowed(name, place, max(1, len(values)), comparisons)
        resolution[name] = spread.resolution(name, place, max(1, len(values)), comparisons)
        if values and abs(value - (mean := float(np.mean(values)))) > allowed:
            differences.append(Mismatch(_name(result), name, _number(mean), _number(value), allowed))
    return Verdict(result.run, False, len(own), tuple(differences), resolution)


def _place(score: Score) -> tuple[object, ...]:
    return score.source, score.metric, score.i, score.j, score.concept, score.prompt, score.other


def _described(place: tuple[object, ...]) -> str:
    source, metric, i, _, concept, prompt, other = place
    text = f"{metric} of {concept}" + (f" classified as {other}" if other else "")
    text += f", prompt {prompt}" if prompt is not None else ""
    return f"{text}, real pictures" if source == "real" else f"{text}, after task {i}"


def _name(result: Result) -> str:
    return f"{result.run.method} (seed {result.run.seed})"


def _number(value: float | None) -> str:
    return "missing" if value is None else f"{value:.6g}"
