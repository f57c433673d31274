"""``cpbench.check``: whether the results are still equal to the stored ones."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ...methods.registry import choose_one, method_names, recorded
from ..checks.regression import Verdict, judge, place_of
from ..errors import BadInput, unknown
from ..hashing import digest
from ..models.loading import pick_device
from ..plan.units import RunPlan
from ..ranged import in_range
from ..records.folders import Folders
from ..records.reading import read_records, read_result
from ..records.result import Result, Run, result_path, write_result
from ..records.stamp import numerics
from ..run.environment import environment
from ..run.events import OnEvent, Warned, ignored
from ..run.executors import Placement, opened
from ..run.jobs import AUTO
from ..run.session import Recipe, Session
from ..run.sweep import run_plans
from ..scoring.profiles import load_profile
from ..storage.baseline import baseline, is_baseline, packed
from ..storage.store import Store, home, writable
from ..suite.spec import Suite
from ..wording import counted
from .arguments import Jobs, Names, Seeds, Where, folders_of, joined, suite_of


@dataclass(frozen=True)
class _Asked:
    """What to compare, and how."""

    suite: Suite
    against: Path
    device: str
    jobs: int | str
    on_event: OnEvent

    def warn(self, text: str) -> None:
        """Report what a person should read."""
        self.on_event(Warned(text))


def check(
    methods: Names = "all",
    suite: str | Path | Suite = "toybox-2",
    *,
    against: str | Path | None = None,
    results: Where = None,
    seeds: Seeds = 1,
    device: str = "auto",
    jobs: Jobs = AUTO,
    update: str | None = None,
    on_event: OnEvent = ignored,
) -> list[Verdict]:
    """Re-run stored runs, or take other records, and compare them with the stored ones; one verdict per new run.

    Runs made on the same kind of machine must have equal scores to the last bit; other runs may differ as much as seeds
    do (:mod:`cpbench.benchmark.checks.regression`). methods: names, or ``all`` for all stored ones. against: the folder
    of the stored records, by default those that cpbench ships. results: records to compare instead of new runs, in a
    folder or several of which the first counts. seeds: how many of the stored
    seeds to re-run. update: a reason; new records that differ then replace the stored ones, which are kept in
    ``superseded/``.

    Raises BadInput if nothing is stored. It does not raise for a difference: see :attr:`Verdict.differences`.
    """
    seeds, jobs = in_range(check, seeds=seeds, jobs=jobs)
    stored_in = Path(against) if against is not None else baseline()
    if update is not None and packed() and is_baseline(stored_in):
        raise BadInput("--update: the records that cpbench ships stay as they are; name your own with --against.")
    asked = _Asked(suite_of(suite), stored_in, device, jobs, on_event)
    pool = _pool(asked)
    stored = _stored(joined(methods), asked, pool)
    with tempfile.TemporaryDirectory() as folder:
        new = _given(folders_of(results), asked, stored) if results else _rerun(seeds, asked, stored, Path(folder))
    verdicts = judge([of_profile(r) for r in stored], [of_profile(r) for r in new], pool)
    if update is not None:
        for result in (r for r, v in zip(new, verdicts, strict=True) if v.differences):
            if result.status == "ok":
                _supersede(asked.against, of_profile(result), update)
            else:
                asked.warn(
                    f"{result.run.method} (seed {result.run.seed}) failed, so its stored record is kept: {result.error}"
                )
    return verdicts


def _pool(asked: _Asked) -> list[Result]:
    """All stored runs of the suite under its own profile."""
    whose = asked.suite.name, asked.suite.evaluation.profile
    stored = (r for _, r in read_records(asked.against, on_fault=asked.warn))
    whole = (r for r in stored if r.run.strength == asked.suite.sampling.strength)  # others draw the same states
    records = [r for r in whole if (r.run.suite, r.run.profile) == whose and r.status == "ok"]
    if not records:
        raise BadInput(f"{asked.against} holds no records of {asked.suite.name}; name a folder with --against.")
    return records


def _stored(methods: str, asked: _Asked, pool: Sequence[Result]) -> list[Result]:
    """The stored runs of the chosen methods."""
    names = methods.split(",") if methods != "all" else sorted({r.run.method for r in pool})
    wanted = [name.strip() for name in names]
    for name in wanted:
        if name not in method_names():
            raise unknown("method", name, method_names())
        if not any(r.run.method == name for r in pool):
            raise BadInput(
                f"{asked.against} holds no record of {name} on {asked.suite.name}; make one with 'cpbench run'."
            )
    return [r for r in pool if r.run.method in wanted]


def of_profile(result: Result) -> Result:
    """A record without the rows of metrics that 'cpbench score' has added to those of its profile."""
    own = {*load_profile(result.run.profile).metrics, "dc_confusion"}
    return result.model_copy(update={"scores": [s for s in result.scores if s.metric in own]})


def _given(folders: Folders, asked: _Asked, stored: Sequence[Result]) -> list[Result]:
    """The records of some folders whose runs are also among the stored ones."""
    known = {(place_of(r.run), r.run.seed) for r in stored}
    given = [r for _, r in folders.records(asked.warn) if r.run.suite == asked.suite.name]
    given = [r for r in given if r.run.strength == asked.suite.sampling.strength]
    found = [r for r in given if (place_of(r.run), r.run.seed) in known]
    if not found:
        raise BadInput(
            f"{folders} holds no run that is stored in {asked.against}; choose another folder with --results."
        )
    if lost := known - {(place_of(r.run), r.run.seed) for r in found}:
        asked.warn(f"{counted(len(lost), 'stored run')} not compared: no record in {folders}.")
    return found


def _rerun(seeds: int, asked: _Asked, stored: Sequence[Result], folder: Path) -> list[Result]:
    """Re-run stored runs in a store for this code and machine; it is empty unless a check was interrupted."""
    chosen = [r for r in stored if r.run.seed < seeds]
    if not chosen:
        raise BadInput(f"--seeds {seeds}: no stored run has a seed below {seeds}; give a larger number.")
    dtypes, threads = {r.run.dtype for r in chosen}, {r.environment.get("threads") for r in chosen}
    if len(dtypes) > 1:
        raise BadInput(f"{asked.against} holds runs in {' and '.join(sorted(dtypes))}; keep them in separate folders.")
    place = writable(home() / "checks" / source_hash(pick_device(asked.device))).resolve()
    profile, own = load_profile(asked.suite.evaluation.profile), threads.pop() if len(threads) == 1 else None
    recipe = Recipe(asked.suite, place, profile, asked.suite.backbone, asked.device, dtypes.pop(), own)
    placement = Placement(jobs=asked.jobs).bounded(recipe, ())
    with Store(place / "units", asked.warn).in_use(), opened(recipe, placement, asked.on_event) as session:
        plans = [plan_of(session, r.run, chosen) for r in chosen]
        paths = run_plans(session, plans, placement, folder, asked.on_event)
        results = [read_result(path) for path in paths]
    if all(result.status == "ok" for result in results):  # else the tracebacks are still needed
        shutil.rmtree(place)
    return results


def plan_of(session: Session, run: Run, stored: Sequence[Result]) -> RunPlan:
    """The plan of a stored run: with its own options if it is one of several settings, else with today's defaults."""
    method = choose_one(run.method, {})
    beside = [r.run.options for r in stored if (place_of(r.run), r.run.seed) == (place_of(run), run.seed)]
    if dict(method.options) in beside:
        method = recorded(run.method, run.options)
    names = [c.name for c in session.suite.concepts]
    return session.planner(run.protocol).run(method, tuple(names.index(c) for c in run.order), run.seed)


def source_hash(device: torch.device) -> str:
    """A hash of the code, the versions of its packages, and all else that decides the last bits of a number."""
    root = Path(__file__).parents[2]
    files = sorted(f for part in ("benchmark", "methods") for f in (root / part).rglob("*.py"))
    return digest([[hashlib.sha256(f.read_bytes()).hexdigest() for f in files], numerics(environment(device))])


def _supersede(folder: Path, result: Result, reason: str) -> None:
    """Replace a stored record, which is kept in ``superseded/``; the new one contains the reason."""
    path = result_path(folder, result.run)
    if path.exists():
        old = read_result(path)
        aside = path.parent / "superseded" / f"{path.stem}-{old.created.replace(':', '')}.json"
        aside.parent.mkdir(exist_ok=True)
        aside.write_bytes(path.read_bytes())  # the stored one is at its place until the new one is
    write_result(folder, result.model_copy(update={"environment": result.environment | {"reason": reason}}))
