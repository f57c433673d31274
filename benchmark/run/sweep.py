"""The one way in which planned runs are announced, carried out and recorded; every verb goes through it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..plan.costs import Costs
from ..plan.grid import Grid
from ..plan.planner import Planner
from ..plan.survey import Survey, survey, survey_of
from ..plan.units import RunPlan, Unit
from .calibration import calibrated
from .events import OnEvent, Planned, Preparing
from .executors import Placement, placed
from .quiet import quiet_libraries
from .recorder import Recorder, Tracker, Work
from .scheduler import Executor, Outcome
from .session import Session

_ROUNDS = 3  # a unit may turn out damaged only when it is read: what needs it is then done in another round


def announce_grid(
    session: Session, grid: Grid, planner: Planner, placement: Placement, out: Path, on_event: OnEvent
) -> None:
    """Report what a grid of runs needs, what of it is in the store, and what the rest costs."""

    def counted(done: int, of: int) -> None:
        on_event(Preparing("counting the units (seeds)", done, of))

    there = session.store.keys()
    found = survey(grid, planner, there, counted)
    parts = len(grid.methods), len(grid.prefixes), len(grid.seeds)
    known = calibrated(session, grid.methods, found.left, session.costs(there), on_event)
    _announce(session, len(grid), parts, found, known, placement, out, on_event)


def announce(
    session: Session, plans: Sequence[RunPlan], placement: Placement, out: Path | None, on_event: OnEvent
) -> None:
    """Report the same of a list of runs."""
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
    """Do the missing units of all runs, and write the record of each run as soon as its last unit is done.

    Runs come in waves, so that a large grid need never be held as a whole. A run with a failed unit gets a record with
    the error; one that ran out of time (``deadline``, of ``time.monotonic``) gets none.
    """
    work = Work()
    with quiet_libraries(), placed(placement, session) as do:
        for wave in waves:
            work.add(_wave(session, wave, do, recorder, on_event, deadline))
            if time.monotonic() >= deadline:  # what is left is not even planned
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
    """Do units of which no record is made."""
    with quiet_libraries(), placed(placement, session) as do:
        return do(units, on_event, math.inf)


def run_plans(
    session: Session, plans: Sequence[RunPlan], placement: Placement, out: Path, on_event: OnEvent
) -> list[Path]:
    """Announce, do and record a list of runs; the paths of their records."""
    announce(session, plans, placement, out, on_event)
    return carry_out(session, [plans], placement, session.recorder(out), on_event).paths
