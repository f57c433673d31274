"""What the commands do, once their arguments are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .errors import BadInput, FailedRun, Interrupted
from .results import Result, read_result


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

    def check(self) -> None:
        """Raise BadInput for a number or word that no run can use."""
        if self.seeds < 1:
            raise BadInput(f"--seeds {self.seeds}: give at least 1.")
        if self.threads is not None and self.threads < 1:
            raise BadInput(f"--threads {self.threads}: give at least 1.")
        if self.protocol not in ("final", "full"):
            raise BadInput(f"--protocol {self.protocol}: choose final or full.")


def parse_settings(texts: Sequence[str]) -> dict[str, str]:
    """The ``--set`` arguments by key; raises BadInput for one without '='."""
    pairs = [text.partition("=") for text in texts]
    for key, equals, _ in pairs:
        if not equals or "." not in key:
            raise BadInput(f"--set {key}: write it as section.option=value, e.g. dsc.temperature=0.05.")
    return {key: value for key, _, value in pairs}


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn Ctrl-C into a sentence, before typer ends the process without one."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("interrupted; nothing finished is lost, the same command continues.") from None


@interruptible()
def run(request: RunRequest) -> None:
    """Run methods on a suite; everything that can be wrong with the request is found before anything is loaded."""
    from ..methods.registry import choose
    from .spec import load_suite
    from .store import home, writable

    console = Console()
    request.check()
    chosen = choose(request.methods, parse_settings(request.settings))
    suite = load_suite(request.suite)
    orders = suite.orders(request.orders)
    folder = home()
    writable(request.out)
    with quiet_libraries(), console.status("loading the model") if console.is_terminal else nullcontext():
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
    with quiet_libraries(), watching(units, console, batch=batch, quiet=request.quiet) as view:
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
    from ..reports.tidy import boards

    wide = console if console.is_terminal else Console(width=160)  # a file does not wrap
    if results:
        wide.print(to_terminal(boards(results), wide.width))


def report(results: Path, out: Path, only: str | None) -> None:
    """Write the report, or one kind of plot alone, and say which files it is made of."""
    from ..reports.write import write_plot, write_report
    from .store import home, writable

    console = Console()
    writable(out)
    units = home() / "units"
    if only is None:
        paths = write_report(results, out, lambda key: sorted((units / key).glob("*.png")))
    else:
        paths = write_plot(results, out, only)
    for path in paths:
        console.print(str(path), highlight=False, soft_wrap=True)


@interruptible()
def pretrain(out: Path | None, updates: int | None, quiet: bool) -> None:
    """Build the toybox model, with a bar a stage."""
    from dataclasses import replace

    from .store import home, writable
    from .toybox.pretrain import Recipe
    from .toybox.pretrain import pretrain as stages

    folder = out or home() / "pretrain"
    writable(folder)
    recipe = replace(Recipe(), rounds=(updates,)) if updates else Recipe()
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("loss {task.fields[loss]:.4f}"), disable=quiet) as bars:
        tasks: dict[str, Any] = {}
        for step in stages(recipe, folder):
            if step.stage not in tasks:
                tasks[step.stage] = bars.add_task(step.stage, total=step.updates, loss=0.0)
            bars.update(tasks[step.stage], completed=step.step, loss=step.loss)
    Console().print(f"weights in {folder / 'weights'}", highlight=False, soft_wrap=True)


@contextmanager
def quiet_libraries() -> Iterator[None]:
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
