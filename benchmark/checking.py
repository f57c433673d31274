"""``cpbench check``: are the results still what they were?"""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from ..methods.registry import choose, method_names
from .commands import interruptible, warner
from .environment import environment
from .errors import BadInput, Regression, unknown
from .estimate import costs
from .executors import Placement, placed
from .profiles import load_profile
from .quiet import quiet_libraries
from .regression import Verdict, judge, place_of
from .results import Result, iterate_results, read_result, result_path, write_result
from .session import Recipe
from .spec import digest, load_suite
from .store import home, writable
from .units import Kind, kind_of
from .verdicts import allowed, how, sentence, to_junit, to_markdown
from .view import Forecast, watching


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
    stored = _stored(request)
    with tempfile.TemporaryDirectory() as folder:
        new = _new(request, stored, Path(folder), console)
    verdicts = judge(stored, new)
    _tell(console, verdicts)
    for path, text in ((request.junit, to_junit), (request.markdown, to_markdown)):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text(verdicts))
    if request.update is not None:
        _supersede(request, [r for r, v in zip(new, verdicts, strict=True) if v.moved], console)
    elif any(v.moved for v in verdicts):
        raise Regression(f"{sentence(verdicts)} If this is meant, say why with --update.")


def _stored(request: CheckRequest) -> list[Result]:
    """The stored runs of the suite as it is now, of the methods that are asked for."""
    suite = load_suite(request.suite)
    records = [r for _, r in iterate_results(request.against) if r.run.suite == suite.name and r.status == "ok"]
    if not records:
        raise BadInput(f"{request.against} holds no records of {suite.name}; name a folder that does with --against.")
    wanted = sorted({r.run.method for r in records}) if request.methods == "all" else request.methods.split(",")
    for name in (name.strip() for name in wanted):
        if name not in method_names():
            raise unknown("method", name, method_names())
        if not any(r.run.method == name for r in records):
            raise BadInput(f"{request.against} holds no record of {name} on {suite.name}; make one with 'cpbench run'.")
    return [r for r in records if r.run.method in {name.strip() for name in wanted}]


def _new(request: CheckRequest, stored: Sequence[Result], folder: Path, console: Console) -> list[Result]:
    """Records to judge: those of ``--results``, or new runs of what is stored, its first seeds."""
    if request.results is not None:
        known = {(place_of(r.run), r.run.seed) for r in stored}
        found = [r for _, r in iterate_results(request.results) if (place_of(r.run), r.run.seed) in known]
        if not found:
            raise BadInput(f"{request.results} holds no run that is stored in {request.against}.")
        return found
    again = [r for r in stored if r.run.seed < request.seeds]
    if not again:
        raise BadInput(f"--seeds {request.seeds}: no stored run has a seed below it.")
    return _again(request, again, folder, console)


def _again(request: CheckRequest, stored: Sequence[Result], folder: Path, console: Console) -> list[Result]:
    """Do stored runs once more, with the present defaults, in a store of this very code: nothing old is found."""
    suite, methods = load_suite(request.suite), {}
    for run in (r.run for r in stored):
        methods[run.method] = choose(run.method, {})[0]
    threads = {r.environment.get("threads") for r in stored}
    recipe = Recipe(
        suite,
        writable(home() / "checks" / source_hash()).resolve(),
        load_profile(suite.evaluation.profile),
        suite.backbone,
        request.device,
        threads=threads.pop() if len(threads) == 1 else None,
    )
    with quiet_libraries():
        session = recipe.open(warner(console))
    planner, names = session.planner("final"), [c.name for c in suite.concepts]
    plans = [planner.run(methods[r.run.method], tuple(names.index(c) for c in r.run.order), r.run.seed) for r in stored]
    left = Counter[Kind](kind_of(u) for u in session.missing(plans).values())
    forecast = Forecast(left, costs(session.store, session.store.keys()), request.jobs)
    with (
        quiet_libraries(),
        watching(forecast, console, batch=suite.training.batch, quiet=request.quiet) as view,
        placed(Placement(jobs=request.jobs), session) as do,
    ):
        paths = session.run(plans, do, session.recorder(folder), view).paths
    return [read_result(path) for path in paths]


def source_hash() -> str:
    """A hash of the code and of the versions it runs with."""
    root = Path(__file__).parent.parent
    files = sorted(f for part in ("benchmark", "methods") for f in (root / part).rglob("*.py"))
    stamp = environment(torch.device("cpu"))
    return digest([[hashlib.sha256(f.read_bytes()).hexdigest() for f in files], stamp["packages"], stamp["python"]])


def _tell(console: Console, verdicts: Sequence[Verdict]) -> None:
    """A row a run, then what moved, the first few of each."""
    table = Table("run", "compared", "how", "moved", box=None, pad_edge=False, header_style="bold")
    for v in verdicts:
        mark = f"[red]{len(v.moved)}[/]" if v.moved else "[green]0[/]"
        table.add_row(f"{v.run.method} (seed {v.run.seed})", str(v.compared), how(v), mark)
    console.print(table)
    if any(v.moved for v in verdicts):
        moved = Table("run", "what", "stored", "now", "allowed", box=None, pad_edge=False, header_style="bold")
        for m in (m for v in verdicts for m in v.moved[:5]):
            moved.add_row(m.run, m.what, m.stored, m.now, allowed(m))
        console.print(moved)
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
