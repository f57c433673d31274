"""``cpbench.score``: scores of stored pictures, under another profile or with more metrics; nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...methods.catalogue import CATALOGUE
from ...methods.registry import recorded
from ...reports.results import Results
from ..errors import BadInput, FailedRun
from ..plan.units import Classify, Draw, Real, RunPlan
from ..ranged import in_range
from ..records.folders import Folders
from ..records.result import Result
from ..run.events import OnEvent, Warned, ignored
from ..run.executors import Placement, opened
from ..run.jobs import AUTO
from ..run.session import Recipe, Session
from ..run.sweep import run_plans
from ..scoring.profiles import load_profile
from ..storage.store import home, writable, writable_records
from ..suite.spec import Suite
from ..wording import counted
from .arguments import RUNS, Jobs, Names, Strengths, Threads, Where, folders_of, joined, strengths_of
from .results import results_of
from .runs import drawn_with, suite_of_run

_PICTURES = ("train", "draw", "real")  # kinds of units that make pictures; their code is that of the record


def score(
    runs: Sequence[str] = (),
    *,
    profile: str | None = None,
    metrics: Names = (),
    suite: str | Path | Suite | None = None,
    strengths: Strengths = (),
    results: Where = None,
    out: str | Path | None = None,
    device: str = "auto",
    threads: Threads | None = None,
    jobs: Jobs = AUTO,
    on_event: OnEvent = ignored,
) -> Results:
    """Score the stored pictures of runs again, write one record per run, and return these runs.

    runs: ids, or their first characters; all runs of ``results`` by default. profile: the suite's own by default.
    metrics: measured in addition to those of the profile. suite: needed if this machine does not know it. strengths:
    draw new pictures, with the change of the weights multiplied by each of these numbers, and score them.
    results: a folder or several, by default ``./runs``, and the records that cpbench ships where ids are given. out:
    the folder of the new records, by default the first of ``results``; instead of the folder of shipped records it is
    ``./runs``. jobs: as in :func:`sweep`.

    Raises BadInput for runs without a record, or whose trained states are no longer in the store.
    """
    threads, jobs = in_range(score, threads=threads, jobs=jobs)
    each = strengths_of(strengths)
    more = tuple(name.strip() for name in joined(metrics).split(",") if name.strip())
    folders = folders_of(results) if runs or results else Folders((RUNS,))
    folder = writable(Path(out) if out is not None else records_out(results))
    chosen = _chosen(tuple(runs), folders, on_event)
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for result in _weakened(chosen, on_event) if each else chosen:
        groups.setdefault((result.run.suite_hash, result.run.backbone, result.run.dtype), []).append(result)
    paths: list[Path] = []
    for (_, backbone, dtype), own in groups.items():
        spec = suite_of_run(own[0], suite)
        writable_records(folder, spec.name, {result.run.method for result in own})
        scored = load_profile(profile or spec.evaluation.profile).with_metrics(more)
        for strength in each or (None,):
            drawn = spec if strength is None else drawn_with(spec, strength)
            recipe = Recipe(drawn, home().resolve(), scored, backbone, device, dtype, threads)
            paths += _scored(recipe, own, Placement(jobs=jobs).bounded(recipe, ()), folder, on_event)
    found = results_of(paths)
    if failed := found.errors:
        raise FailedRun(f"{len(failed)} of {counted(len(paths), 'run')} failed; the first: {failed[0]}")
    return found


def _scored(
    recipe: Recipe, results: Sequence[Result], placement: Placement, folder: Path, on_event: OnEvent
) -> list[Path]:
    """The new records of some results under a recipe."""
    with opened(recipe, placement, on_event) as session:
        plans = [_plan(session, result) for result in results]
        _check_kept(session, plans, results)
        return run_plans(session, plans, placement, folder, on_event)


def _weakened(results: Sequence[Result], on_event: OnEvent) -> list[Result]:
    """The records at full strength of methods that change weights; raises BadInput where there is none."""
    whole = [result for result in results if result.run.strength == 1]
    unchanged = {name for name, row in CATALOGUE.items() if row.adapter in ("", "tokens")}
    if passed := sorted({r.run.method for r in whole} & unchanged - {"base"}):
        on_event(Warned(f"passed over {', '.join(passed)}: no weights of the network change, so none can change less."))
    found = [result for result in whole if result.run.method not in unchanged]
    if not found:
        raise BadInput("--strengths: no run of a method that changes weights of the network; choose others.")
    return found


def records_out(results: Where) -> Path:
    """Where scores are recorded by default: in the first folder that is not that of shipped records."""
    own = folders_of(results).own if results else ()
    return own[0] if own else RUNS


def _chosen(runs: tuple[str, ...], folders: Folders, on_event: OnEvent) -> list[Result]:
    """The records whose ids begin with one of ``runs``; all if there is none."""
    records = [r for _, r in folders.records(lambda text: on_event(Warned(text))) if r.status == "ok"]
    if not records:
        raise BadInput(f"{folders} holds no records; make some with 'cpbench run'.")
    for begin in runs:
        if not any(r.run.id.startswith(begin) for r in records):
            raise BadInput(f"no run in {folders} begins with '{begin}'; see 'cpbench list runs'.")
    return [r for r in records if not runs or r.run.id.startswith(runs)]


def _plan(session: Session, result: Result) -> RunPlan:
    """The plan of a recorded run under the profile of the session."""
    run, suite = result.run, session.suite
    names = [c.name for c in suite.concepts]
    if unknown := [name for name in run.order if name not in names]:
        raise BadInput(f"run {run.id}: suite {suite.name} has no concept '{unknown[0]}'; name its spec with --suite.")
    order = tuple(names.index(name) for name in run.order)
    made_on, method = (run.device, int(result.environment.get("threads", 1))), recorded(run.method, run.options)
    method = replace(method, code=result.code.get("method", method.code))
    then = {kind: result.code[kind] for kind in _PICTURES if kind in result.code}
    return session.planner(run.protocol, made_on, {**session.code, **then}).run(method, order, run.seed)


def _changed(session: Session, result: Result) -> bool:
    """Whether the code that makes pictures has changed since a record was made."""
    today = {**session.code, "method": recorded(result.run.method, result.run.options).code}
    return any(result.code.get(kind, today[kind]) != today[kind] for kind in (*_PICTURES, "method"))


def _check_kept(session: Session, plans: Sequence[RunPlan], results: Sequence[Result]) -> None:
    """Raise BadInput for the first run without its trained states in the store: scoring never trains.

    Pictures are drawn again where they are lost, but not where the code that drew them has changed since.
    """
    there = session.store.keys()
    for plan, result in zip(plans, results, strict=True):
        lost = [f"the state after task {t.number}" for t in plan.trains if session.store.find(t.key) is None]
        if not lost and _changed(session, result):
            missing = (u for u in plan.units() if isinstance(u, Draw | Real | Classify) and u.key not in there)
            lost = [f"the unit '{unit.title}'" for unit in missing]
        if lost:
            raise BadInput(
                f"run {result.run.id} ({result.run.method}): {lost[0]} is no longer in {session.store.folder}, or was "
                "made by code that has changed since; re-run it with 'cpbench run'."
            )
