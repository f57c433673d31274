"""How planned runs are announced, computed and recorded; every verb that runs something uses it."""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FailedRun
from ..plan.choices import Choice
from ..plan.costs import Costs
from ..plan.grid import Grid
from ..plan.planner import Planner
from ..plan.survey import Survey, survey, survey_of
from ..plan.units import Kind, RunPlan, Unit, gather
from ..storage.machine import during_work
from ..wording import counted
from .events import OnEvent, Planned, Preparing
from .executors import Placement, placed
from .jobs import width
from .recorder import Recorder, Tracker, Work
from .scheduler import Executor, Outcome
from .session import Session

if TYPE_CHECKING:
    from .opening import Opened

_ROUNDS = 3  # damage is found only when a unit is read; another round then repairs it
_LOOKED_AT = 512  # runs that are planned to see how many units can run at once


def announce_grid(
    session: Session, grid: Grid, planner: Planner, placement: Placement, out: Path, on_event: OnEvent
) -> Placement:
    """Report which units a grid of runs needs, which of them are stored, and what the others cost.

    Returns the placement with the number of processes.
    """

    def counting(done: int, of: int) -> None:
        on_event(Preparing("counting the units (seeds)", done, of))

    there = session.store.keys()
    found = survey(grid, planner, there, counting)
    parts = len(grid.methods), len(grid.prefixes), len(grid.seeds)
    known = session.costs(there)
    if found.left.total():
        known = session.ask(partial(_calibrated, grid.methods, found.left, known), on_event)
    at_once = partial(_at_once, grid, planner, found, there)
    return _announce(session, len(grid), parts, found, known, at_once, placement, out, on_event)


def announce(
    session: Session, plans: Sequence[RunPlan], placement: Placement, out: Path | None, on_event: OnEvent
) -> Placement:
    """Report which units a list of runs needs, which of them are stored, and what the others cost.

    Returns the placement with the number of processes.
    """
    there = session.store.keys()
    found, known = survey_of(plans, there), session.costs(there)
    at_once = partial(_wide, plans, there)
    return _announce(session, len(plans), None, found, known, at_once, placement, out, on_event)


def _announce(
    session: Session,
    runs: int,
    parts: tuple[int, int, int] | None,
    found: Survey,
    known: Costs,
    at_once: Callable[[int], int],
    placement: Placement,
    out: Path | None,
    on_event: OnEvent,
) -> Placement:
    if placement.why and placement.jobs != 1 and found.left.total():
        peak = max(known.peak, session.ask(_peak, on_event))
        placement = placement.settled(session.facts, peak, at_once(int(placement.jobs)))
    jobs = int(placement.jobs) if placement.local else None
    batch, folder = session.suite.training.batch, session.store.folder
    on_event(Planned(runs, parts, found, known, jobs, batch, folder, out, placement.why))
    return placement


def _at_once(grid: Grid, planner: Planner, found: Survey, there: Collection[str], enough: int) -> int:
    """How many units of a grid can run at once, as far as a number that is ``enough``."""
    plans, most, seen = grid.plans(planner), 0, 0
    while most < enough and (some := list(itertools.islice(plans, 8))):
        most, seen = max(most, _wide(some, there, enough)), seen + len(some)
        if seen >= _LOOKED_AT:
            return found.left.total()
    return most


def _wide(plans: Sequence[RunPlan], there: Collection[str], _: int) -> int:
    return width({key: unit for key, unit in gather(plans).items() if key not in there})


def _calibrated(
    methods: Sequence[Choice], left: Counter[Kind], known: Costs, opened: Opened, on_event: OnEvent
) -> Costs:
    from .calibration import calibrated

    return calibrated(opened, methods, left, known, on_event)


def _peak(opened: Opened, _: OnEvent) -> int:
    """The most memory that the process with the models has used so far, in bytes."""
    import torch

    from .phases import peak_memory

    return peak_memory(torch.device("cpu"))


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
    with during_work(session.recipe.home), placed(placement, session) as do:
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
    with during_work(session.recipe.home), placed(placement, session) as do:
        return do(units, on_event, math.inf)


def run_plans(
    session: Session, plans: Sequence[RunPlan], placement: Placement, out: Path, on_event: OnEvent
) -> list[Path]:
    """Announce, compute and record a list of runs; returns the paths of the records.

    Raises FailedRun where a run failed whose record, of an earlier run that finished, was kept.
    """
    placement = announce(session, plans, placement, out, on_event)
    work = carry_out(session, [plans], placement, session.recorder(out), on_event)
    if work.kept:
        raise FailedRun(f"{len(work.kept)} of {counted(len(plans), 'run')} failed; the first: {work.kept[0]}")
    return work.paths
