"""How planned runs are announced, computed and recorded; every verb that runs something uses it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..errors import FailedRun
from ..plan.costs import Costs
from ..plan.grid import Grid
from ..plan.planner import Planner
from ..plan.survey import Survey, survey, survey_of
from ..plan.units import RunPlan, Unit
from ..storage.machine import during_work
from ..wording import counted
from .calibration import calibrated
from .events import OnEvent, Planned, Preparing
from .executors import Placement, placed
from .quiet import quiet_libraries
from .recorder import Recorder, Tracker, Work
from .scheduler import Executor, Outcome
from .session import Session

_ROUNDS = 3  # damage is found only when a unit is read; another round then repairs it


def announce_grid(
    session: Session, grid: Grid, planner: Planner, placement: Placement, out: Path, on_event: OnEvent
) -> None:
    """Report which units a grid of runs needs, which of them are stored, and what the others cost."""

    def counting(done: int, of: int) -> None:
        on_event(Preparing("counting the units (seeds)", done, of))

    there = session.store.keys()
    found = survey(grid, planner, there, counting)
    parts = len(grid.methods), len(grid.prefixes), len(grid.seeds)
    known = calibrated(session, grid.methods, found.left, session.costs(there), on_event)
    _announce(session, len(grid), parts, found, known, placement, out, on_event)


def announce(
    session: Session, plans: Sequence[RunPlan], placement: Placement, out: Path | None, on_event: OnEvent
) -> None:
    """Report which units a list of runs needs, which of them are stored, and what the others cost."""
    there = session.store.keys()
    found = survey_of(plans, there)
    _announce(session, len(plans), None, found, session.costs(there), placement, out, on_event)


def _announce(
    session: Session,
    runs: int,
    parts: tuple[int, int, int] | None,
    found: Survey,
    known: Costs,
    placement: Placement,
    out: Path | None,
    on_event: OnEvent,
) -> None:
    jobs = placement.jobs if placement.executor == "local" else None
    batch, folder = session.suite.training.batch, session.store.folder
    on_event(Planned(runs, parts, found, known, jobs, batch, folder, out))


def carry_out(
    session: Session,
    waves: Iterable[Sequence[RunPlan]],
    placement: Placement,
    recorder: Recorder,
    on_event: OnEvent,
    deadline: float = math.inf,
) -> Work:
    """Compute the missing units of all runs, and write the record of each run as soon as its last unit is done.

    Runs come in waves, so that a large grid is never held in memory as a whole. A run with a failed unit gets a record
    with the error; a run that is not finished by ``deadline`` (``time.monotonic``) gets none.
    """
    work = Work()
    with quiet_libraries(), during_work(session.recipe.home), placed(placement, session) as do:
        for wave in waves:
            work.add(_wave(session, wave, do, recorder, on_event, deadline))
            if time.monotonic() >= deadline:  # do not even plan the other waves
                break
    return work


def _wave(
    session: Session,
    plans: Sequence[RunPlan],
    do: Executor,
    recorder: Recorder,
    on_event: OnEvent,
    deadline: float,
) -> Work:
    for _ in range(_ROUNDS):
        tracker = Tracker(plans, session.missing(plans), recorder, on_event)
        outcome = do(tracker.units, tracker, deadline)
        if not (outcome.lost or tracker.lost):
            break
    return tracker.close(outcome)


def do_units(session: Session, units: Mapping[str, Unit], placement: Placement, on_event: OnEvent) -> Outcome:
    """Compute units without writing a record."""
    with quiet_libraries(), during_work(session.recipe.home), placed(placement, session) as do:
        return do(units, on_event, math.inf)


def run_plans(
    session: Session, plans: Sequence[RunPlan], placement: Placement, out: Path, on_event: OnEvent
) -> list[Path]:
    """Announce, compute and record a list of runs; returns the paths of the records.

    Raises FailedRun where a run failed whose record, of an earlier run that finished, was kept.
    """
    announce(session, plans, placement, out, on_event)
    work = carry_out(session, [plans], placement, session.recorder(out), on_event)
    if work.kept:
        raise FailedRun(f"{len(work.kept)} of {counted(len(plans), 'run')} failed; the first: {work.kept[0]}")
    return work.paths
