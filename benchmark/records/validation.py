"""What is impossible in a record, and what is only unlikely.

A fault is a sentence: where it is, what is there, and what is allowed. Types, signs of counts and costs, and NaN are
checked while a record is parsed (:mod:`.result`); here is what takes more than one field. Sound rows pass in a few
sweeps over all of them, and only rows that fail one are looked at by themselves.
"""

from __future__ import annotations

import datetime
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import lru_cache
from operator import itemgetter

from ..names import concept_fault, folder_fault
from ..plain_json import not_finite
from ..wording import shown
from .ranges import CEILED, RANGES, range_of
from .result import Result, Run, Score

_KEY = itemgetter("metric", "higher_is_better", "other", "source", "i", "j", "concept", "prompt")
_SIGMAS = 4.0

Key = tuple[str, bool, str | None, str, int, int, str, int | None]


def faults_of(result: Result) -> Iterator[str]:
    """Every fault of a record that was parsed; nothing for a sound one."""
    yield from _of_run(result.run)
    for place in not_finite(result.environment, "environment"):
        yield f"environment has a number that is not finite: {place}."
    yield from _of_status(result)
    yield from _of_costs(result)
    if len(set(result.run.order)) == len(result.run.order):
        yield from _of_scores(result)


def _of_run(run: Run) -> Iterator[str]:
    for where, name in (("run.suite", run.suite), ("run.method", run.method)):
        if fault := folder_fault(name):
            yield f"{where} is '{shown(name)}', a name that {fault}; it must be that of a folder on any system."
    for name in dict.fromkeys(run.order):
        if fault := concept_fault(name):
            yield f"run.order has '{shown(name)}', a name that {fault}; rename the concept in the suite and re-run."
    if not run.order:
        yield "run.order is empty; name the concepts in the order in which they were taught."
    for concept, n in Counter(run.order).items():
        if n > 1:
            yield f"run.order has '{concept}' {n} times; a concept is taught once."
    for place in not_finite(run.options, "run.options"):
        yield f"run.options has a number that is not finite: {place}."


def _of_status(result: Result) -> Iterator[str]:
    if result.status == "ok" and result.error is not None:
        yield f"status is ok, but there is an error ('{result.error}'); a finished run has none."
    if result.status == "ok" and not result.scores:
        yield "status is ok, but there are no scores; a finished run has some."
    if result.status == "error" and not result.error:
        yield "status is error, but no error is given; name it."
    if result.status == "error" and result.scores:
        yield f"status is error, but there are {len(result.scores)} scores; a failed run has none."
    try:
        datetime.datetime.fromisoformat(result.created)
    except ValueError:
        yield f"created is '{result.created}'; it must be a time such as 2026-01-31T12:00:00+00:00."


def _of_costs(result: Result) -> Iterator[str]:
    tasks, last = [cost.task for cost in result.cost], len(result.run.order)
    trained = any(unit.startswith("train/") for unit in result.units)
    needed = trained and result.status == "ok"
    if (tasks or needed) and sorted(tasks) != list(range(1, last + 1)):
        yield f"cost has the tasks {tasks}; the tasks 1 to {last} must be there once each."


def _of_scores(result: Result) -> Iterator[str]:
    rows = list(map(vars, result.scores))
    keys = set(map(_KEY, rows))
    if len(keys) < len(rows):
        yield from _repeated(result.scores)
    if wrong := _wrong_keys(keys, tuple(result.run.order)):
        for k, s in enumerate(result.scores):
            if fault := wrong.get(_KEY(vars(s))):
                yield f"{place_of(k, s)}: {fault}"
    yield from _out_of_range(result, [k for k, row in enumerate(rows) if not 0.0 <= row["value"] <= 1.0])


def _wrong_keys(keys: set[Key], order: tuple[str, ...]) -> dict[Key, str]:
    """What is wrong with keys, by key; those of built-in metrics that are right for an order are remembered."""
    right = _right_keys(order)
    new, wrong = keys - right, {}
    ways = {(key[0], key[1]) for key in new}
    for key in new:
        if fault := _misdirected(*key[:3], ways) or _misplaced(order, *key[2:7]):
            wrong[key] = fault
        elif key[0].partition("@")[0] in RANGES:
            right.add(key)
    return wrong


@lru_cache(128)
def _right_keys(order: tuple[str, ...]) -> set[Key]:
    """Keys that were found right for an order: records of one sweep have the same ones."""
    return set()


def _repeated(rows: list[Score]) -> Iterator[str]:
    first: dict[Key, int] = {}
    for k, s in enumerate(rows):
        if (before := first.setdefault(_KEY(vars(s)), k)) != k:
            yield f"{place_of(k, s)}: the same as scores[{before}]; each value may be there once."


def _misdirected(metric: str, higher: bool, other: str | None, ways: set[tuple[str, bool]]) -> str | None:
    """What is wrong with the name or the direction of a metric, or with the use of ``other``, or None."""
    if not metric.isprintable():
        return "the name of the metric has a character that cannot be printed."
    known = RANGES.get(metric.partition("@")[0])
    if higher is not (known.higher if known else (metric, True) in ways):
        return f"higher_is_better is {str(higher).lower()}; it is {str(not higher).lower()} for {metric}."
    if (metric == "dc_confusion") is (other is None):
        return "'other' is named for the metric dc_confusion, and for no other metric."
    return None


def _out_of_range(result: Result, unusual: list[int]) -> Iterator[str]:
    """Rows whose value is impossible, among those that are not within 0 to 1, which every range holds."""
    for k in unusual:
        s = result.scores[k]
        known = range_of(s.metric, result.run.profile)
        if known is not None and not known.holds(s.value):
            yield f"{place_of(k, s)}: value {s.value:g}; {s.metric} is {known}."


@lru_cache(128)
def _subjects(order: tuple[str, ...]) -> dict[str, int]:
    """The place of every subject of pictures: 0 of the prior, that of a concept, that of the later one of a pair."""
    places = {concept: k for k, concept in enumerate(order, 1)}
    pairs = {f"{a}+{b}": max(places[a], places[b]) for a in order for b in order if a != b}
    return {"prior": 0} | pairs | places


def _misplaced(order: tuple[str, ...], other: str | None, source: str, i: int, j: int, concept: str) -> str | None:
    """What is wrong with the place of a cell, or None."""
    last, places = len(order), _subjects(order)
    if i > last or j > last:
        return f"i = {i} and j = {j}; at most {last}, the number of tasks, is possible."
    if source == "real" and (i or not j):
        return f"i = {i} and j = {j}; real pictures have i = 0 and show a concept."
    if other is not None and (other not in order or other == concept):
        return f"other is '{other}'; it must be another concept of the order ({', '.join(order)})."
    if concept not in places:
        return f"concept '{concept}' is not of the order ({', '.join(order)}), nor a pair 'a+b' of it, nor 'prior'."
    return None if places[concept] == j else f"j = {j}; the place of '{concept}' in the order is {places[concept]}."


def place_of(k: int, s: Score) -> str:
    """Where a row is: its JSON path, and its cell in words."""
    prompt = "" if s.prompt is None else f", prompt {s.prompt}"
    whose = f"real {s.concept}" if s.source == "real" else f"{s.concept} after {s.i} tasks"
    return f"scores[{k}] ({shown(s.metric)} of {shown(whose)}{prompt})"


def flags_of(result: Result) -> Iterator[str]:
    """Scores that are better than those of real pictures, by more than the numbers of pictures explain.

    Real pictures are a bound for the metrics of :data:`.ranges.CEILED`; for diversity, copying, and pairs by cosine
    they are not. A cell is flagged where its mean is better than the ceiling of its concept by four standard errors:
    those of a share follow from the numbers of pictures, others are the cell's own, over prompts; a cell without one
    is not flagged. None of the committed records has a flag: their best cells lie 6 standard errors below, shares at 1.
    """
    real = {(s.metric, s.concept): s for s in result.scores if s.source == "real" and _ceiled(s)}
    cells = defaultdict[tuple[str, str, int], list[Score]](list)
    for s in result.scores:
        if s.source == "model" and (s.metric, s.concept) in real:
            cells[s.metric, s.concept, s.i].append(s)
    for (metric, concept, i), rows in cells.items():
        bound = real[metric, concept]
        value = math.fsum(s.value for s in rows) / len(rows)
        above = (value - bound.value) * (1 if bound.higher_is_better else -1)
        if above > _SIGMAS * _standard_error(rows, bound):
            yield (
                f"{metric} of {concept} after {i} tasks is {value:.4g}, better than the ceiling of real pictures "
                f"({bound.value:.4g}) by more than {_SIGMAS:g} standard errors."
            )


def _ceiled(s: Score) -> bool:
    return s.metric.partition("@")[0] in CEILED


def _standard_error(rows: list[Score], bound: Score) -> float:
    """The standard error of a cell's mean minus its ceiling; infinite where it is not known."""
    if bound.metric.partition("@")[0] in ("identity", "multi_concept"):
        share = (bound.value * bound.n + 1) / (bound.n + 2)  # never 0 or 1, at which chance would vanish
        return math.sqrt(share * (1 - share) * (1 / bound.n + 1 / sum(s.n for s in rows)))
    if rows[0].se is not None:
        return rows[0].se
    if len(rows) < 2:
        return math.inf
    mean = math.fsum(s.value for s in rows) / len(rows)
    return math.sqrt(math.fsum((s.value - mean) ** 2 for s in rows) / (len(rows) - 1) / len(rows))
