"""What the commands do, once their arguments are read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from .errors import BadInput, FailedRun, unknown
from .results import Result, iterate_results, read_result

LISTS = ("methods", "suites", "backbones", "metrics", "runs")


@dataclass(frozen=True)
class RunRequest:
    """The arguments of ``cpbench run``."""

    methods: str
    suite: str
    orders: int
    seeds: int
    protocol: str
    backbone: str | None
    device: str
    dtype: str
    settings: tuple[str, ...]
    threads: int | None
    out: Path
    dry_run: bool
    quiet: bool

    def options(self) -> dict[str, str]:
        """The ``--set`` arguments by key; raises BadInput for one without '='."""
        pairs = [text.partition("=") for text in self.settings]
        for key, equals, _ in pairs:
            if not equals or "." not in key:
                raise BadInput(f"--set {key}: write it as section.option=value, e.g. dsc.temperature=0.05.")
        return {key: value for key, _, value in pairs}

    def check(self) -> None:
        """Raise BadInput for a number or word that no run can use."""
        if self.seeds < 1:
            raise BadInput(f"--seeds {self.seeds}: give at least 1.")
        if self.threads is not None and self.threads < 1:
            raise BadInput(f"--threads {self.threads}: give at least 1.")
        if self.protocol not in ("final", "full"):
            raise BadInput(f"--protocol {self.protocol}: choose final or full.")


def run(request: RunRequest) -> None:
    """Run methods on a suite; everything that can be wrong with the request is found before anything is loaded."""
    from ..methods.registry import choose
    from .spec import load_suite
    from .store import home

    console = Console()
    request.check()
    chosen = choose(request.methods, request.options())
    suite = load_suite(request.suite)
    orders = suite.orders(request.orders)
    folder = home()
    writable(request.out)
    with _quiet_libraries(), console.status("loading the model") if console.is_terminal else _nothing():
        from .session import open_session, set_threads

        set_threads(request.threads)
        session = open_session(
            suite,
            folder,
            backbone=request.backbone,
            device=request.device,
            dtype=request.dtype,
            warn=lambda text: console.print(text, style="yellow", markup=False),
        )
    plans = session.plan(chosen, orders, range(request.seeds), request.protocol)
    units = session.missing(plans)
    _say_plan(console, request, plans, units, folder)
    if not request.dry_run:
        _work(console, request, session, plans, units)


def _work(console: Console, request: RunRequest, session: Any, plans: Any, units: Any) -> None:
    from .view import watching

    batch = session.suite.training.batch
    with _quiet_libraries(), watching(units, console, batch=batch, quiet=request.quiet) as view:
        paths = session.run(plans, units, request.out, view)
    results = [read_result(path) for path in paths]
    leaderboard(console, [r for r in results if r.status == "ok"])
    console.print(f"{len(paths)} records in {request.out}; 'cpbench report --results {request.out}' draws them.")
    if failed := [r for r in results if r.status == "error"]:
        raise FailedRun(f"{len(failed)} of {len(results)} runs failed; the first: {failed[0].error}")


def _say_plan(console: Console, request: RunRequest, plans: Any, units: Any, folder: Path) -> None:
    from .chain import gather

    wanted = sum(1 for plan in plans for _ in plan.units())
    distinct = len(gather(plans))
    console.print(
        f"{len(plans)} runs of {wanted} units: {wanted - distinct} shared, {distinct - len(units)} found, "
        f"{len(units)} to do. Units in {folder}, records in {request.out}.",
        highlight=False,
        soft_wrap=True,
    )


def leaderboard(console: Console, results: list[Result]) -> None:
    """Print the leaderboard of some records."""
    from ..reports.tables import to_terminal
    from ..reports.tidy import leaderboard as frames

    if results:
        console.print(to_terminal(frames(results)))


def report(results: Path, out: Path) -> None:
    """Write the report, and say which files it is made of."""
    from ..reports.write import write_report
    from .store import home

    console = Console()
    writable(out)
    units = home() / "units"
    for path in write_report(results, out, lambda key: sorted((units / key).glob("*.png"))):
        console.print(str(path), highlight=False, soft_wrap=True)


def list_(what: str, results: Path, as_json: bool) -> None:
    """Print one of the lists."""
    if what not in LISTS:
        raise unknown("list", what, LISTS)
    rows = list(_rows(what, results))
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    if not rows:
        raise BadInput(f"{results} holds no records; make some with 'cpbench run'.")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in rows[0]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)


def _rows(what: str, results: Path) -> Iterator[dict[str, Any]]:
    from .spec import load_suite, suite_names

    if what == "methods":
        from ..methods.catalog import CATALOGUE

        for row in CATALOGUE.values():
            yield {"method": row.name, "what it is": row.sentence, "paper": row.paper or "-"}
    elif what == "suites":
        for suite in map(load_suite, suite_names()):
            yield {"suite": suite.name, "concepts": len(suite.concepts), "about": suite.title}
    elif what == "backbones":
        yield {"backbone": "toybox", "what it is": "the embedded model: CPU, no download"}
        yield {"backbone": "tiny", "what it is": "random weights, for tests"}
        yield {"backbone": "a folder or hub id", "what it is": "any Stable Diffusion 1.x or 2.x in diffusers' layout"}
    elif what == "metrics":
        from .metrics import HIGHER_IS_BETTER

        for name, higher in HIGHER_IS_BETTER.items():
            yield {"metric": name, "better": "higher" if higher else "lower"}
    else:
        for _, result in iterate_results(results):
            r = result.run
            yield {"run": r.id, "method": r.method, "suite": r.suite, "order": " ".join(r.order), "seed": r.seed}


def show(run_id: str, results: Path, as_json: bool) -> None:
    """Print one run: what it was, its matrix, its cost."""
    from ..reports.tables import matrix_table

    found = [r for _, r in iterate_results(results) if r.run.id.startswith(run_id)]
    if len(found) != 1:
        near = "no run" if not found else f"{len(found)} runs"
        raise BadInput(f"{near} in {results} begin with '{run_id}'; see 'cpbench list runs --results {results}'.")
    if as_json:
        print(found[0].model_dump_json(by_alias=True, indent=1))
        return
    console = Console()
    r = found[0].run
    console.print(f"{r.method} on {r.suite} (version {r.suite_version}), seed {r.seed}, {r.device}, {r.dtype}")
    console.print(f"options: {json.dumps(r.options)}", highlight=False)
    console.print(matrix_table(found[0]))


def doctor(as_json: bool) -> None:
    """Check the installation and say what will work."""
    from .doctor import checks

    with _quiet_libraries():
        rows = checks()
    if as_json:
        print(json.dumps([vars(row) for row in rows], indent=1))
    else:
        table = Table(box=None, pad_edge=False, show_header=False)
        for row in rows:
            table.add_row("[green]ok[/]" if row.good else "[red]no[/]", row.what, row.found)
        Console().print(table)
    if not all(row.good for row in rows):
        raise FailedRun("something will not work; see the lines marked 'no'.")


def pretrain(out: Path | None, updates: int | None, quiet: bool) -> None:
    """Build the toybox model, with a bar a stage."""
    from dataclasses import asdict, replace

    from .store import home
    from .toybox.parts import Parts
    from .toybox.pretrain import Recipe
    from .toybox.pretrain import pretrain as stages
    from .toybox.weights import write_weights

    folder = out or home() / "pretrain"
    writable(folder)
    recipe = replace(Recipe(), updates=updates) if updates else Recipe()
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("loss {task.fields[loss]:.4f}"), disable=quiet) as bars:
        tasks: dict[str, Any] = {}
        for step in stages(recipe, folder):
            if isinstance(step, Parts):
                write_weights(step, folder / "weights", {"recipe": asdict(recipe)})
                continue
            if step.stage not in tasks:
                tasks[step.stage] = bars.add_task(step.stage, total=step.updates, loss=0.0)
            bars.update(tasks[step.stage], completed=step.step, loss=step.loss)
    Console().print(f"weights in {folder / 'weights'}", highlight=False, soft_wrap=True)


def writable(folder: Path) -> None:
    """Make a folder; raises BadInput where that, or writing there, is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".cpbench-probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise BadInput(f"{folder} cannot be written ({error.strerror}); choose another with --out.") from None


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Keep the notes of the model libraries from the screen; errors still show."""
    import warnings

    import diffusers
    import transformers

    diffusers.logging.set_verbosity_error()
    transformers.logging.set_verbosity_error()
    diffusers.logging.disable_progress_bar()
    transformers.logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
