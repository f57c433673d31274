"""From finished units to the record of a run."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import BadInput, Lost
from ..plain_json import json_text
from ..plan.units import Classify, Measure, RunPlan, Unit
from ..records.reading import read_result
from ..records.result import Result, Score, TaskCost, result_path, write_result
from ..records.stamp import MADE_ON, numerics
from ..records.validation import faults_of
from ..storage.inventory import read_record
from ..storage.store import Store
from ..suite.concepts import label_of
from .events import Awaited, Ended, Event, OnEvent, Recorded, Warned
from .scheduler import Outcome


@dataclass(frozen=True)
class Recorder:
    """Writes records below ``out``, with ``environment`` as their stamp; ``warn`` is called for damaged ones."""

    store: Store
    out: Path
    environment: dict[str, Any]
    warn: Callable[[str], None]

    def write(self, plan: RunPlan, error: str | None = None) -> tuple[Path, str | None]:
        """Write the record of a run, unless there is one that differs only in when and where it was made.

        Returns its path. That of a failed run is not written over that of a finished one: then the error is returned
        too. A run whose record would not be sound has failed.
        """
        result = Result(
            run=plan.run,
            scores=[] if error else _sorted(self.scores(plan)),
            cost=[] if error else list(self._costs(plan)),
            environment=self._stamp(plan),
            units=_keys(plan),
            code=dict(plan.code),
            status="error" if error else "ok",
            error=error,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )
        path = result_path(self.out, plan.run)
        there = self._there(path)
        if there is not None and not error and there.units == result.units:  # else the scores are of other pictures
            result = _with_other_metrics(result, there)
        stamp = {"created", "environment"}
        same = there is not None and there.model_dump(exclude=stamp) == result.model_dump(exclude=stamp)
        if not same and (fault := next(faults_of(result), None)):
            result = result.model_copy(update={"scores": [], "cost": [], "status": "error", "error": fault})
        if not same:
            write_result(self.out, result)
        return path, result.error if there is not None and there.status == "ok" else None

    def _stamp(self, plan: RunPlan) -> dict[str, Any]:
        """The environment, with those of the units if any was made in another one, e.g. on another machine."""
        found = [made_on for made_on in map(self._made_on, plan.units()) if made_on is not None]
        made = {json_text(made_on, sort_keys=True): made_on for made_on in found}
        if set(made) <= {json_text(numerics(self.environment), sort_keys=True)}:
            return self.environment
        return self.environment | {MADE_ON: [made[text] for text in sorted(made)]}

    def _made_on(self, unit: Unit) -> dict[str, Any] | None:
        """Where a unit was made; {} for units of versions that did not record it, None if the unit is missing."""
        record = read_record(self.store.folder / unit.key)
        found: dict[str, Any] | None = record.get("inputs", {}).get(MADE_ON, {}) if record else None
        return found

    def _there(self, path: Path) -> Result | None:
        """The record that exists already, or None; one that cannot be read is set aside with a warning."""
        try:
            return read_result(path) if path.exists() else None
        except BadInput as error:
            path.read_bytes()  # raises OSError where it is another user's alone: then it is not damaged
            path.replace(path.with_suffix(".damaged"))
            self.warn(f"{error} It is set aside as {path.with_suffix('.damaged').name}, and written again.")
            return None

    def scores(self, plan: RunPlan) -> Iterator[Score]:
        """The scores of a plan whose units are all done."""
        order = plan.run.order
        for unit in plan.ceilings:
            yield from self._rows("real", 0, 1 + max(order.index(c.name) for c in unit.subjects), unit)
        for cell in plan.cells:
            if cell.measure is not None:
                yield from self._rows("model", cell.i, cell.j, cell.measure)
        for i, asked in plan.classified.items():
            yield from self._classified(asked, i, order)

    def _rows(self, source: str, i: int, j: int, unit: Measure) -> Iterator[Score]:
        place = {"source": source, "i": i, "j": j, "concept": label_of(unit.subjects)}
        for row in self.store.read_json(unit.key, "scores.json"):
            yield Score.model_validate(place | row)

    def _classified(self, unit: Classify, i: int, order: list[str]) -> Iterator[Score]:
        """The rows of real pictures that the model after ``i`` tasks has classified."""
        for row in self.store.read_json(unit.key, "classified.json"):
            yield Score.model_validate({"source": "model", "i": i, "j": 1 + order.index(row["concept"]), **row})

    def _costs(self, plan: RunPlan) -> Iterator[TaskCost]:
        drawn = {cell.i: cell.draw.key for cell in plan.cells if cell.i == cell.j and len(cell.subjects) == 1}
        for train in plan.trains:
            draw = self.store.meta(drawn[train.number])["measured"]
            measured = self.store.meta(train.key)["measured"]
            yield TaskCost(task=train.number, seconds_per_picture=draw["seconds_per_picture"], **measured)


def _with_other_metrics(result: Result, there: Result) -> Result:
    """A record with, in addition, the rows of metrics that only an earlier record of the same run has."""
    own = {s.metric for s in result.scores} | {"dc_confusion"}
    return result.model_copy(
        update={"scores": _sorted([*result.scores, *(s for s in there.scores if s.metric not in own)])}
    )


def _sorted(scores: Iterable[Score]) -> list[Score]:
    """Ceilings first, then by place, metric and prompt, so that the order of measuring does not matter."""
    return sorted(
        scores, key=lambda s: (s.source != "real", s.i, s.j, s.concept, s.metric, s.prompt or 0, s.other or "")
    )


def _keys(plan: RunPlan) -> dict[str, str]:
    keys = {f"train/{t.number}": t.key for t in plan.trains}
    for cell in plan.cells:
        what = str(cell.j) if len(cell.subjects) == 1 else label_of(cell.subjects)
        keys[f"draw/{cell.i}/{what}"] = cell.place
    return keys | {f"real/{label_of(r.subjects)}": r.key for r in plan.reals}


@dataclass
class Work:
    """The outcome of some runs: their records, and how many units and runs are left to do.

    ``kept``: one line per run that failed although its record is of a finished one, made earlier, which was kept.
    """

    paths: list[Path] = field(default_factory=list)
    units_left: int = 0
    runs_left: int = 0
    kept: list[str] = field(default_factory=list)

    def add(self, other: Work) -> None:
        """Add the runs of another wave."""
        self.paths += other.paths
        self.units_left += other.units_left
        self.runs_left += other.runs_left
        self.kept += other.kept


class Tracker:
    """Counts the units that each run has left, and records a run when it has none; passes events on."""

    def __init__(self, plans: Sequence[RunPlan], units: dict[str, Unit], recorder: Recorder, on_event: OnEvent) -> None:
        self.plans, self.units, self.recorder, self.on_event = plans, units, recorder, on_event
        self.waiting: dict[str, list[int]] = defaultdict(list)
        self.left, self.paths, self.lost = dict[int, int](), dict[int, Path](), False
        self.kept: list[str] = []
        for k, plan in enumerate(plans):
            keys = {u.key for u in plan.units() if u.key in units}
            self.left[k] = len(keys)
            for key in keys:
                self.waiting[key].append(k)
        for k in [k for k, n in self.left.items() if not n]:
            self._write(k)

    def __call__(self, event: Event) -> None:
        """Pass an event on, and count a unit that is done."""
        self.on_event(event)
        if isinstance(event, Awaited):
            self.on_event(Warned(f"waiting: {event.who}"))
        if isinstance(event, Ended):
            for note in event.notes:
                self.on_event(Warned(note))
            if event.fate == "done":
                self._count(event.unit)

    def _count(self, unit: Unit) -> None:
        for k in self.waiting.pop(unit.key, ()):
            self.left[k] -= 1
            if not self.left[k]:
                self._write(k)

    def close(self, outcome: Outcome) -> Work:
        """Record the runs that failed, and return the outcome."""
        for k in [k for k in self.left if k not in self.paths]:
            if error := next((outcome.errors[u.key] for u in self.plans[k].units() if u.key in outcome.errors), None):
                self._write(k, error)
        paths = [self.paths[k] for k in sorted(self.paths)]
        return Work(paths, outcome.left, len(self.plans) - len(paths), self.kept)

    def _write(self, k: int, error: str | None = None) -> None:
        try:
            self.paths[k], failure = self.recorder.write(self.plans[k], error)
        except Lost:
            self.lost = True
            return
        self.on_event(Recorded(self.paths[k]))
        if failure is not None:
            run = self.plans[k].run
            self.kept.append(
                f"{run.method}, {run.suite}, seed {run.seed}: {failure} The earlier record is kept: {self.paths[k]}."
            )
