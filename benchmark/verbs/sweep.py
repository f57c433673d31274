"""``cpbench.sweep``: methods on a suite, over task orders, sequence lengths and seeds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...methods.presets import EMBEDDED
from ...methods.registry import method_names
from ...reports.results import Results
from ..errors import BadInput, FailedRun, TimeOver, unknown
from ..models.engine import Engine, engine_of
from ..models.folders import find_pipeline
from ..plan.choices import Choice
from ..plan.grid import Grid, lengths_of, orders_of
from ..plan.planner import Planner
from ..ranged import in_range
from ..records.folders import check_own_folder
from ..run.events import OnEvent, ignored, warning
from ..run.executors import Placement, opened
from ..run.jobs import AUTO
from ..run.recorder import Work
from ..run.session import Recipe, Session
from ..run.sweep import announce_grid, carry_out
from ..scoring.profiles import load_profile
from ..storage.store import home, writable_records
from ..storage.suites import keep_suite
from ..suite.spec import Suite
from ..wording import counted
from .arguments import (
    Hours,
    Jobs,
    Names,
    Orders,
    Points,
    Seeds,
    Settings,
    Threads,
    joined,
    lengths_text,
    orders_text,
    settings_of,
    suite_of,
)
from .choosing import chosen_for
from .foresight import check_wanted, foresee
from .results import results_of

if TYPE_CHECKING:
    from ..run.opening import Opened


def sweep(
    methods: Names,
    suite: str | Path | Suite = "toybox-6",
    *,
    orders: Orders = 1,
    lengths: int | str | Sequence[int] | None = None,
    seeds: Seeds = 1,
    protocol: str = "final",
    film: bool = False,
    backbone: str | None = None,
    download: bool = False,
    device: str = "auto",
    dtype: str = "float32",
    engine: Engine | Mapping[str, Any] | None = None,
    preset: str | None = None,
    settings: Settings | None = None,
    threads: Threads | None = None,
    jobs: Jobs = AUTO,
    executor: str = "local",
    address: str | None = None,
    max_hours: Hours | None = None,
    out: str | Path = "runs",
    dry_run: bool = False,
    resolution: Points | None = None,
    baseline: str | None = None,
    on_event: OnEvent = ignored,
) -> Results:
    """Run methods on a suite, write one record per run below ``out``, and return the results.

    Shared work is done once, and finished work is taken from the store: the same call continues a stopped sweep. Call
    it inside ``if __name__ == "__main__":``, as other processes import the script. methods: names, or ``all``. suite: a
    name, the path of a YAML file, or a :class:`Suite`. orders: how many task orders, or the orders themselves. lengths:
    concepts of each order to learn, all by default. protocol: ``final`` measures each concept before any task, after
    its own task and after the last; ``full`` after every task. film: draw two pictures of each learned concept after
    every task, not only after tasks 1, 2, 4, 8, … backbone: ``toybox``, ``sd15`` and the like, a folder in diffusers'
    layout or a hub id; the suite's own by default; download: fetch it if it is not on this machine. engine: an
    :class:`Engine`, or its values. preset: published settings, such as ``lora/cifc`` (``cpbench list presets``).
    settings: options of methods, which count more, e.g. ``{"dsc.temperature": 0.05}``. jobs: processes on this machine;
    ``auto`` is as many as cores, memory, GPUs and the work admit. dry_run: plan only; ``on_event`` receives the plan,
    and with ``resolution`` how many runs show such a difference of average, in %-points. baseline: the method that the
    column ``difference`` of the leaderboard starts from.

    Raises BadInput before any work if an argument is not valid, FailedRun if runs failed, and TimeOver after
    ``max_hours``; the records of finished runs are written in every case (:func:`cpbench.load_results`).
    """
    begin, warn = time.monotonic(), warning(on_event)
    seeds, threads, jobs = in_range(sweep, seeds=seeds, threads=threads, jobs=jobs)
    max_hours, resolution = _checked(max_hours, resolution, protocol, baseline, dry_run)
    model = _model(backbone, spec := suite_of(suite), download, executor)
    how, chosen = engine_of(engine), chosen_for(joined(methods), settings_of(settings), model, preset, warn)
    grid, folder = _grid(chosen, spec, orders, lengths, seeds, Path(out), warn)
    recipe = _recipe(spec, model, device, dtype, threads, how)
    deadline = begin + max_hours * 3600 if max_hours else math.inf
    with opened(recipe, placement := Placement(executor, jobs, address).bounded(recipe, chosen), on_event) as session:
        planner = _planner(session, grid, protocol, film, on_event)
        placement = announce_grid(session, grid, planner, placement, folder, on_event)
        if dry_run:
            return _foreseen(session, grid, folder, resolution, on_event)
        work = carry_out(session, grid.waves(planner), placement, session.recorder(folder), on_event, deadline)
    return _complete(results_of(work.paths, baseline=baseline), work, len(grid), max_hours, deadline)


def _grid(
    chosen: Sequence[Choice],
    spec: Suite,
    orders: Orders,
    lengths: int | str | Sequence[int] | None,
    seeds: int,
    folder: Path,
    warn: Callable[[str], None],
) -> tuple[Grid, Path]:
    """The runs, and the folder of records; raises BadInput where those of the suite and its methods cannot be there."""
    which = orders_of(spec, orders_text(orders), warn), lengths_of(spec, lengths_text(lengths), warn)
    grid = Grid(chosen, *which, range(seeds))
    check_own_folder(folder, spec.name)
    writable_records(folder, spec.name, [method.name for method in grid.methods])
    return grid, folder


def _recipe(suite: Suite, model: str, device: str, dtype: str, threads: int | None, engine: Engine) -> Recipe:
    profile = load_profile(suite.evaluation.profile)
    return Recipe(suite, home().resolve(), profile, model, device, dtype, threads, engine)


def _model(given: str | None, suite: Suite, download: bool, executor: str) -> str:
    """The name of the backbone, by default that of the suite; it is fetched if ``download`` asks for it.

    Raises BadInput where it is not there, unless other machines may have it.
    """
    name = given or suite.backbone
    if name not in EMBEDDED and (download or executor == "local"):
        find_pipeline(name, download=download)
    return name


def _check_fit(options: Sequence[Mapping[str, Any]], tasks: int, opened: Opened, _: OnEvent) -> None:
    """Raise BadInput for options of methods that do not fit the model, or so many tasks."""
    from ...methods.build import check_fit

    for own in options:
        check_fit(own, opened.runner.backbone, opened.suite.prompts.train, tasks)


def _planner(session: Session, grid: Grid, protocol: str, film: bool, on_event: OnEvent) -> Planner:
    """The planner of a sweep, whose suite is kept; BadInput for methods that do not fit the model, or so many tasks."""
    session.ask(partial(_check_fit, [m.options for m in grid.methods], max(grid.lengths)), on_event)
    planner = session.planner(protocol, film=film)
    keep_suite(session.recipe.home, planner.suite_hash, session.suite)
    return planner


def _foreseen(session: Session, grid: Grid, folder: Path, resolution: float | None, on_event: OnEvent) -> Results:
    """No results, after ``on_event`` got what they would show."""
    foresee(session, grid, folder, resolution, on_event)
    return results_of([])


def _checked(
    max_hours: float | None, resolution: float | None, protocol: str, baseline: str | None, dry_run: bool
) -> tuple[float | None, float | None]:
    """The limits in their ranges; raises BadInput for them and for unknown words."""
    max_hours, resolution = in_range(sweep, max_hours=max_hours, resolution=resolution)
    check_wanted(resolution, dry_run=dry_run)
    if baseline is not None and baseline.partition(" (")[0] not in method_names():
        raise unknown("method", baseline, method_names())
    if protocol not in ("final", "full"):
        raise BadInput(f"--protocol {protocol}: choose final or full.")
    return max_hours, resolution


def _complete(results: Results, work: Work, runs: int, limit: float | None, deadline: float) -> Results:
    """The results; raises FailedRun or TimeOver if runs are not recorded or failed. ``limit``: the most hours."""
    hours = limit if time.monotonic() >= deadline else None
    if left := runs - len(work.paths):
        if hours is None:
            raise FailedRun(
                f"{left} of {counted(runs, 'run')} not recorded: their units were found damaged repeatedly; "
                "'cpbench doctor' names them. Check the disk, then run the same command again."
            )
        few = "" if left == work.runs_left else "at least "
        raise TimeOver(
            f"--max-hours {hours:g} reached: {left} of {counted(runs, 'run')} unfinished, "
            f"{few}{counted(work.units_left, 'unit')} left; the same command continues."
        )
    if failed := [*results.errors, *work.kept]:
        raise FailedRun(f"{len(failed)} of {counted(runs, 'run')} failed; the first: {failed[0]}")
    return results
