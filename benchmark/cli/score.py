"""``cpbench score``: kept pictures under another profile, or with more metrics. Nothing is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from ..errors import BadInput
from ..plan.planner import Planner
from ..plan.units import Kind, RunPlan, kind_of
from ..records.result import Result, iterate_results
from ..run.progress import quiet_libraries
from ..scoring.profiles import Profile, load_profile
from ..storage.store import home, writable
from ..suite.spec import Suite, load_suite
from .console import interruptible, tell_results, warner


@dataclass(frozen=True)
class ScoreRequest:
    """The arguments of ``cpbench score``."""

    runs: tuple[str, ...]
    profile: str | None
    metrics: tuple[str, ...]
    suite: str | None
    results: Path
    out: Path
    device: str
    threads: int | None
    quiet: bool


@interruptible()
def score(request: ScoreRequest) -> None:
    """Score the runs and write a record for each; runs of several suites or backbones are scored group by group."""
    console = Console()
    chosen = _chosen(request)
    writable(request.out)
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for result in chosen:
        groups.setdefault((request.suite or result.run.suite, result.run.backbone, result.run.dtype), []).append(result)
    paths = [path for key, results in groups.items() for path in _group(request, key, results, console)]
    tell_results(console, paths, request.out)


def _chosen(request: ScoreRequest) -> list[Result]:
    """The records whose ids begin as asked for; all where nothing is."""
    records = [r for _, r in iterate_results(request.results) if r.status == "ok"]
    if not records:
        raise BadInput(f"{request.results} holds no records; make some with 'cpbench run'.")
    for begin in request.runs:
        if not any(r.run.id.startswith(begin) for r in records):
            raise BadInput(f"no run in {request.results} begins with '{begin}'; see 'cpbench list runs'.")
    return [r for r in records if not request.runs or r.run.id.startswith(request.runs)]


def _group(request: ScoreRequest, key: tuple[str, str, str], results: Sequence[Result], console: Console) -> list[Path]:
    """Score runs that share suite, backbone and dtype."""
    from ..run.executors import Placement, placed
    from ..run.progress import Forecast, watching
    from ..run.session import Recipe

    suite = load_suite(key[0])
    recipe = Recipe(
        suite, home().resolve(), profile_of(request, suite), key[1], request.device, key[2], request.threads
    )
    with quiet_libraries():
        session = recipe.open(warner(console))
    plans = [_plan(session, suite, r) for r in results]
    _check_kept(session, plans, results)
    left = Counter[Kind](kind_of(u) for u in session.missing(plans).values())
    forecast = Forecast(left, session.costs())
    with (
        quiet_libraries(),
        watching(forecast, console, batch=suite.training.batch, quiet=request.quiet) as view,
        placed(Placement(), session) as do,
    ):
        return session.run(plans, do, session.recorder(request.out), view).paths


def profile_of(request: ScoreRequest, suite: Suite) -> Profile:
    """The profile asked for, else the suite's, with the metrics that are asked for."""
    return load_profile(request.profile or suite.evaluation.profile).with_metrics(request.metrics)


def _plan(session: Any, suite: Suite, result: Result) -> RunPlan:
    """The plan of a recorded run under the profile of the session."""
    from ...methods.registry import recorded

    run = result.run
    names = [c.name for c in suite.concepts]
    if unknown := [name for name in run.order if name not in names]:
        raise BadInput(f"run {run.id}: suite {suite.name} has no concept '{unknown[0]}'; name its spec with --suite.")
    order = tuple(names.index(name) for name in run.order)
    planner: Planner = session.planner(run.protocol, (run.device, int(result.environment.get("threads", 1))))
    return planner.run(recorded(run.method, run.options), order, run.seed)


def _check_kept(session: Any, plans: Sequence[RunPlan], results: Sequence[Result]) -> None:
    """Raise BadInput for the first run of which a trained state is not in the store: scoring never trains."""
    for plan, result in zip(plans, results, strict=True):
        if lost := [t for t in plan.trains if session.store.find(t.key) is None]:
            raise BadInput(
                f"run {result.run.id} ({result.run.method}): what it learned in task {lost[0].number} is not kept in "
                f"{session.store.folder}; run it again with 'cpbench run'."
            )
