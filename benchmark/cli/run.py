"""``cpbench run``: a grid of runs, planned, estimated, done and recorded."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal

from ...methods.registry import choose
from ..errors import BadInput, FailedRun, TimeOver
from ..plan.costs import Costs
from ..plan.grid import Grid, lengths_of, orders_of
from ..plan.survey import Survey, survey
from ..run.executors import Placement, placed
from ..run.progress import Forecast, clock, plan_table, quiet_libraries, watching
from ..run.recorder import Work
from ..run.session import Recipe, Session
from ..scoring.profiles import load_profile
from ..storage.store import home, writable
from ..suite.spec import load_suite
from .console import interruptible, parse_settings, tell_results, warner


@dataclass(frozen=True)
class RunRequest:
    """The arguments of ``cpbench run``."""

    methods: str
    suite: str
    orders: str
    lengths: str | None
    seeds: int
    protocol: str
    backbone: str | None
    device: str
    dtype: str
    settings: tuple[str, ...]
    threads: int | None
    executor: str
    jobs: int
    address: str | None
    max_hours: float | None
    out: Path
    dry_run: bool
    quiet: bool

    def check(self) -> None:
        """Raise BadInput for a number or word that no run can use."""
        if self.seeds < 1:
            raise BadInput(f"--seeds {self.seeds}: give at least 1.")
        if self.threads is not None and self.threads < 1:
            raise BadInput(f"--threads {self.threads}: give at least 1.")
        if self.max_hours is not None and not self.max_hours > 0:  # so that nan, too, is refused
            raise BadInput(f"--max-hours {self.max_hours:g}: give more than 0.")
        if self.protocol not in ("final", "full"):
            raise BadInput(f"--protocol {self.protocol}: choose final or full.")


@interruptible()
def run(request: RunRequest) -> None:
    """Run methods on a suite; everything that can be wrong with the request is found before anything is loaded."""
    console, begin = Console(), time.monotonic()
    request.check()
    placement = Placement(request.executor, request.jobs, request.address)
    chosen = choose(request.methods, parse_settings(request.settings))
    suite = load_suite(request.suite)
    orders, lengths = orders_of(suite, request.orders), lengths_of(suite, request.lengths)
    grid = Grid(chosen, orders, lengths, range(request.seeds))
    recipe = Recipe(
        suite=suite,
        home=home().resolve(),
        profile=load_profile(suite.evaluation.profile),
        backbone=request.backbone or suite.backbone,
        device=request.device,
        dtype=request.dtype,
        threads=request.threads,
    )
    writable(request.out)
    with quiet_libraries(), console.status("loading the model") if console.is_terminal else nullcontext():
        session = recipe.open(warner(console))
    found, known = _survey(console, session, grid, request.protocol)
    _say_plan(console, request, grid, found, known)
    if not request.dry_run:
        deadline = begin + request.max_hours * 3600 if request.max_hours else math.inf
        _work(console, request, session, grid, placement, (found, known), deadline)


def _survey(console: Console, session: Session, grid: Grid, protocol: str) -> tuple[Survey, Costs]:
    """What there is to do, and what such units took before."""
    with console.status("counting the units") if console.is_terminal else nullcontext() as status:

        def on_event(done: int, of: int) -> None:
            if status is not None:
                status.update(f"counting the units: {done} of {of} seeds")

        there = session.store.keys()
        return survey(grid, session.planner(protocol), there, on_event), session.costs(there)


def _work(
    console: Console,
    request: RunRequest,
    session: Session,
    grid: Grid,
    placement: Placement,
    estimate: tuple[Survey, Costs],
    deadline: float,
) -> None:
    forecast = Forecast(estimate[0].left, estimate[1], placement.jobs)
    recorder, parts = session.recorder(request.out), list[Work]()
    with (
        quiet_libraries(),
        watching(forecast, console, batch=session.suite.training.batch, quiet=request.quiet) as view,
        placed(placement, session) as do,
    ):
        for wave in grid.waves(session.planner(request.protocol)):
            parts.append(session.run(wave, do, recorder, view, deadline))
            if time.monotonic() >= deadline:  # what is left is not even planned
                break
    paths = [path for part in parts for path in part.paths]
    tell_results(console, paths, request.out)
    if left := len(grid) - len(paths):
        if request.max_hours is None or time.monotonic() < deadline:
            raise FailedRun(
                f"{left} of {len(grid)} runs are not recorded: their units were found damaged again and again; "
                "'cpbench doctor' names them. Check the disk, then give the same command again."
            )
        few = "" if left == sum(part.runs_left for part in parts) else "at least "
        units = few + str(sum(part.units_left for part in parts))
        raise TimeOver(
            f"--max-hours {request.max_hours:g} are over: {left} of {len(grid)} runs are not finished, {units} units "
            "are left; the same command continues."
        )


def _say_plan(console: Console, request: RunRequest, grid: Grid, found: Survey, known: Costs) -> None:
    """Runs, units, and what they will take; a dry run tells units by kind."""
    wanted, distinct, done = (c.total() for c in (found.wanted, found.distinct, found.found))
    parts = f"{len(grid.methods)} methods, {len(grid.prefixes)} orders and lengths, {len(grid.seeds)} seeds"
    lines = [
        f"{len(grid)} runs ({parts}) of {wanted} units: {wanted - distinct} shared, {done} found, "
        f"{distinct - done} to do."
    ]
    if found.left.total():
        basis = f"from {known.measured} units of the store" if known.measured else "a guess: no unit was measured yet"
        space = decimal(int(known.disk(found.left))) if known.measured else "unknown space"
        jobs = f"{request.jobs} process{'es' if request.jobs > 1 else ''}"
        jobs = "one process of the cluster at a time" if request.executor == "ray" else jobs
        lines.append(f"About {clock(known.time(found.left, request.jobs))} on {jobs}, {space} on disk ({basis}).")
    lines.append(f"Units in {home() / 'units'}, records in {request.out}.")
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
    if request.dry_run:
        console.print(plan_table(found))
