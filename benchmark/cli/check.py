"""``cpbench check``: are the results still what they were?"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from ...methods.registry import choose, method_names, recorded
from ..checks.regression import Verdict, judge, place_of
from ..checks.verdicts import allowed, how, sentence, to_junit, to_markdown
from ..errors import BadInput, Regression, unknown
from ..hashing import digest
from ..models.loading import pick_device
from ..plan.units import Kind, RunPlan, kind_of
from ..records.result import Result, Run, iterate_results, read_result, result_path, write_result
from ..records.stamp import numerics
from ..run.environment import environment
from ..run.executors import Placement, placed
from ..run.progress import Forecast, quiet_libraries, watching
from ..run.session import Recipe, Session
from ..scoring.profiles import load_profile
from ..storage.store import Store, home, writable
from ..suite.spec import Suite, load_suite
from .console import interruptible, warner


@dataclass(frozen=True)
class CheckRequest:
    """The arguments of ``cpbench check``."""

    methods: str
    suite: str
    against: Path
    results: Path | None
    seeds: int
    device: str
    jobs: int
    junit: Path | None
    markdown: Path | None
    update: str | None
    quiet: bool


@interruptible()
def check(request: CheckRequest) -> None:
    """Run the stored plan again, or take other records, and compare; raises Regression where something moved."""
    console = Console()
    for file in filter(None, (request.junit, request.markdown)):
        if file.is_dir():
            raise BadInput(f"{file} is a folder; name a file in it.")
        writable(file.parent)
    suite = load_suite(request.suite)
    pool = _pool(suite, request.against)
    stored = _stored(request, suite, pool)
    with tempfile.TemporaryDirectory() as folder:
        new = _new(request, suite, stored, Path(folder), console)
    stored, new = ([_of_profile(r) for r in some] for some in (stored, new))
    verdicts = judge(stored, new, pool)
    _tell(console, verdicts)
    for path, text in ((request.junit, to_junit), (request.markdown, to_markdown)):
        if path is not None:
            path.write_text(text(verdicts))
    if request.update is not None:
        _supersede(request, [r for r, v in zip(new, verdicts, strict=True) if v.differences], console)
    elif any(v.differences for v in verdicts):
        raise Regression(f"{sentence(verdicts)} If this is meant, say why with --update.")


def _pool(suite: Suite, folder: Path) -> list[Result]:
    """All stored runs of the suite under its own profile."""
    whose = suite.name, suite.evaluation.profile
    records = [r for _, r in iterate_results(folder) if (r.run.suite, r.run.profile) == whose and r.status == "ok"]
    if not records:
        raise BadInput(f"{folder} holds no records of {suite.name}; name a folder that does with --against.")
    return records


def _stored(request: CheckRequest, suite: Suite, pool: Sequence[Result]) -> list[Result]:
    """The stored runs of the methods that are asked for."""
    names = request.methods.split(",") if request.methods != "all" else sorted({r.run.method for r in pool})
    wanted = [name.strip() for name in names]
    for name in wanted:
        if name not in method_names():
            raise unknown("method", name, method_names())
        if not any(r.run.method == name for r in pool):
            raise BadInput(f"{request.against} holds no record of {name} on {suite.name}; make one with 'cpbench run'.")
    return [r for r in pool if r.run.method in wanted]


def _of_profile(result: Result) -> Result:
    """A record without the rows of metrics that 'cpbench score' has added to those of its profile."""
    own = {*load_profile(result.run.profile).metrics, "dc_confusion"}
    return result.model_copy(update={"scores": [s for s in result.scores if s.metric in own]})


def _new(request: CheckRequest, suite: Suite, stored: Sequence[Result], folder: Path, console: Console) -> list[Result]:
    """Records to judge: those of ``--results``, or new runs of what is stored, its first seeds."""
    if request.results is None:
        again = [r for r in stored if r.run.seed < request.seeds]
        if not again:
            raise BadInput(f"--seeds {request.seeds}: no stored run has a seed below it.")
        return _again(request, suite, again, folder, console)
    known = {(place_of(r.run), r.run.seed) for r in stored}
    given = [r for _, r in iterate_results(request.results) if r.run.suite == suite.name]
    found = [r for r in given if (place_of(r.run), r.run.seed) in known]
    if not found:
        raise BadInput(f"{request.results} holds no run that is stored in {request.against}.")
    if lost := known - {(place_of(r.run), r.run.seed) for r in found}:
        console.print(f"{len(lost)} stored runs are not in {request.results} and not compared.", highlight=False)
    return found


def _again(
    request: CheckRequest, suite: Suite, stored: Sequence[Result], folder: Path, console: Console
) -> list[Result]:
    """Do stored runs once more in a store of this very code and machine, which is empty unless a check was cut off."""
    dtypes, threads = {r.run.dtype for r in stored}, {r.environment.get("threads") for r in stored}
    if len(dtypes) > 1:
        raise BadInput(f"{request.against} holds runs in {' and '.join(sorted(dtypes))}; keep them in two folders.")
    place = writable(home() / "checks" / source_hash(pick_device(request.device))).resolve()
    recipe = Recipe(
        suite,
        place,
        load_profile(suite.evaluation.profile),
        suite.backbone,
        request.device,
        dtypes.pop(),
        threads.pop() if len(threads) == 1 else None,
    )
    with Store(place / "units", warner(console)).in_use():
        results = _run_in(request, suite, stored, recipe, folder, console)
    shutil.rmtree(place)
    return results


def _run_in(
    request: CheckRequest, suite: Suite, stored: Sequence[Result], recipe: Recipe, folder: Path, console: Console
) -> list[Result]:
    with quiet_libraries():
        session = recipe.open(warner(console))
    plans = [_plan(session, suite, r.run, stored) for r in stored]
    left = Counter[Kind](kind_of(u) for u in session.missing(plans).values())
    forecast = Forecast(left, session.costs(), request.jobs)
    with (
        quiet_libraries(),
        watching(forecast, console, batch=suite.training.batch, quiet=request.quiet) as view,
        placed(Placement(jobs=request.jobs), session) as do,
    ):
        paths = session.run(plans, do, session.recorder(folder), view).paths
    return [read_result(path) for path in paths]


def _plan(session: Session, suite: Suite, run: Run, stored: Sequence[Result]) -> RunPlan:
    """The plan of a stored run: with its own options where it was one of several settings, else with the defaults."""
    (method,) = choose(run.method, {})
    beside = [r.run.options for r in stored if (place_of(r.run), r.run.seed) == (place_of(run), run.seed)]
    if dict(method.options) in beside:
        method = recorded(run.method, run.options)
    names = [c.name for c in suite.concepts]
    return session.planner(run.protocol).run(method, tuple(names.index(c) for c in run.order), run.seed)


def source_hash(device: torch.device) -> str:
    """A hash of the code, of the versions it runs with, and of what else decides the last bits of a number."""
    root = Path(__file__).parents[2]
    files = sorted(f for part in ("benchmark", "methods") for f in (root / part).rglob("*.py"))
    return digest([[hashlib.sha256(f.read_bytes()).hexdigest() for f in files], numerics(environment(device))])


def _tell(console: Console, verdicts: Sequence[Verdict]) -> None:
    """A row a run, then what moved, the first few of each."""
    table = Table("run", "compared", "how", "moved", box=None, pad_edge=False, header_style="bold")
    for v in verdicts:
        mark = f"[red]{len(v.differences)}[/]" if v.differences else "[green]0[/]"
        table.add_row(f"{v.run.method} (seed {v.run.seed})", str(v.compared), how(v), mark)
    console.print(table)
    if any(v.differences for v in verdicts):
        differences = Table("run", "what", "stored", "now", "allowed", box=None, pad_edge=False, header_style="bold")
        for m in (m for v in verdicts for m in v.differences[:5]):
            differences.add_row(m.run, m.what, m.stored, m.now, allowed(m))
        console.print(differences)
    console.print(sentence(verdicts), highlight=False)


def _supersede(request: CheckRequest, new: Sequence[Result], console: Console) -> None:
    """Put new records in the place of the stored ones, which are kept beside them with the reason."""
    for result in new:
        path = result_path(request.against, result.run)
        if path.exists():
            old = read_result(path)
            aside = path.parent / "superseded" / f"{path.stem}-{old.created.replace(':', '')}.json"
            aside.parent.mkdir(exist_ok=True)
            path.replace(aside)
        stamped = result.environment | {"reason": request.update}
        write_result(request.against, result.model_copy(update={"environment": stamped}))
    console.print(f"{len(new)} records in {request.against} superseded: {request.update}", highlight=False)
