"""``cpbench score``: kept pictures under another profile, or with more metrics. Nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from .chain import RunPlan
from .commands import interruptible, leaderboard, quiet_libraries
from .errors import BadInput, FailedRun
from .profiles import Profile, load_profile
from .results import Result, iterate_results, read_result
from .spec import Suite, load_suite
from .store import home, writable
from .units import Train, Unit


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
    records = [read_result(path) for path in paths]
    leaderboard(console, [r for r in records if r.status == "ok"])
    console.print(f"{len(paths)} records in {request.out}.", highlight=False, soft_wrap=True)
    if failed := [r for r in records if r.status == "error"]:
        raise FailedRun(f"{len(failed)} of {len(records)} runs could not be scored; the first: {failed[0].error}")


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
    from .session import open_session, set_threads
    from .view import watching

    suite = load_suite(key[0])
    set_threads(request.threads)
    with quiet_libraries():
        session = open_session(
            suite,
            home(),
            profile=profile_of(request, suite),
            backbone=key[1],
            device=request.device,
            dtype=key[2],
            warn=lambda text: console.print(text, style="yellow", markup=False),
        )
    plans = [_plan(session, suite, r) for r in results]
    units: dict[str, Unit] = {k: u for k, u in session.missing(plans).items() if not isinstance(u, Train)}
    _check_kept(session, plans, results, units)
    with quiet_libraries(), watching(units, console, batch=suite.training.batch, quiet=request.quiet) as view:
        return list(session.run(plans, units, request.out, view))


def profile_of(request: ScoreRequest, suite: Suite) -> Profile:
    """The profile asked for, else the suite's, with the metrics that are asked for."""
    return load_profile(request.profile or suite.evaluation.profile).with_metrics(request.metrics)


def _plan(session: Any, suite: Suite, result: Result) -> RunPlan:
    """The plan of a recorded run under the profile of the session."""
    from ..methods.registry import recorded

    run = result.run
    names = [c.name for c in suite.concepts]
    if unknown := [name for name in run.order if name not in names]:
        raise BadInput(f"run {run.id}: suite {suite.name} has no concept '{unknown[0]}'; name its spec with --suite.")
    order = tuple(names.index(name) for name in run.order)
    (plan,) = session.plan([recorded(run.method, run.options)], [order], [run.seed], run.protocol)
    return plan  # type: ignore[no-any-return]


def _check_kept(session: Any, plans: Sequence[RunPlan], results: Sequence[Result], units: dict[str, Unit]) -> None:
    """Raise BadInput for the first run of which something is needed that is not in the store."""
    for plan, result in zip(plans, results, strict=True):
        trained = {t.key for t in plan.trains}
        for unit in plan.units():
            lost = [k for k in unit.needs if k in trained and session.store.find(k) is None]
            if unit.key in units and lost:
                raise BadInput(
                    f"run {result.run.id} ({result.run.method}): '{unit.title}' is not kept in {session.store.folder}, "
                    f"nor the model to do it with; run it again with 'cpbench run'."
                )
