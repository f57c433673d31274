"""What the commands do, once their arguments are read."""

from __future__ import annotations

import errno
import filecmp
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .errors import BadInput, FailedRun, Interrupted, Regression
from .results import Result, read_result
from .stopping import answered, stopper


def parse_settings(texts: Sequence[str]) -> dict[str, str]:
    """The ``--set`` arguments by key; raises BadInput for one without '='."""
    pairs = [text.partition("=") for text in texts]
    for key, equals, _ in pairs:
        if not equals or "." not in key:
            raise BadInput(f"--set {key}: write it as section.option=value, e.g. dsc.temperature=0.05.")
    return {key: value for key, _, value in pairs}


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and a full disk into a sentence, before typer ends the process without one."""
    try:
        with answered(stopper()):
            yield
    except KeyboardInterrupt:
        raise Interrupted("interrupted; nothing finished is lost, the same command continues.") from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f" for {error.filename}" if error.filename else ""
        raise FailedRun(
            f"no space left on the disk{where}; free some ('cpbench gc'), then the same command goes on."
        ) from None


def warner(console: Console) -> Callable[[str], None]:
    """What prints a warning in one line, however narrow the terminal."""
    return lambda text: console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)


def tell_results(console: Console, paths: Sequence[Path], out: Path) -> None:
    """Print the leaderboard of some records; raises FailedRun where some of them failed."""
    results = [read_result(path) for path in paths]
    leaderboard(console, [r for r in results if r.status == "ok"])
    console.print(
        f"{len(paths)} records in {out}; 'cpbench report --results {out}' makes tables and plots.",
        highlight=False,
        soft_wrap=True,
    )
    if failed := [r for r in results if r.status == "error"]:
        raise FailedRun(f"{len(failed)} of {len(results)} runs failed; the first: {failed[0].error}")


def leaderboard(console: Console, results: list[Result]) -> None:
    """Print the leaderboard of some records."""
    from ..methods.rows import UPPER_BOUNDS
    from ..reports.entry import entries_of
    from ..reports.terminal import to_terminal
    from ..reports.tidy import boards

    wide = console if console.is_terminal else Console(width=160)  # a file does not wrap
    if results:
        wide.print(to_terminal(boards(entries_of(results), UPPER_BOUNDS), wide.width))


@interruptible()
def report(results: Path, out: Path, only: str | None, check: bool) -> None:
    """Write the report, or one part of it, and say which files it is made of; or check that it is not stale."""
    from ..methods.rows import CATALOGUE
    from ..reports.about import About
    from ..reports.write import load, write_report
    from .store import home, writable

    console, units = Console(), home() / "units"
    methods = {r.name: About(r.adapter, r.consolidations, r.sentence, r.paper, r.bound) for r in CATALOGUE.values()}
    found = load(results, methods)

    def pictures(key: str) -> list[Path]:
        return sorted((units / key).glob("*.png"))

    if check:
        _check_report(console, found, methods, pictures, out, only)
        return
    paths = 0
    with console.status("writing") if console.is_terminal else nullcontext():
        for path in write_report(found, writable(out), methods, pictures, only):
            paths += 1
            if path.parent == out or path.name == "index.html":
                console.print(str(path), highlight=False, soft_wrap=True)
    console.print(f"{paths} files in {out}.", highlight=False, soft_wrap=True)


def _check_report(console: Console, found: Any, methods: Any, pictures: Any, out: Path, only: str | None) -> None:
    """Raise Regression where a file is missing, not what the records give, or left over from records that are gone."""
    from ..reports.made import leftovers
    from ..reports.write import write_report

    with tempfile.TemporaryDirectory() as folder:
        fresh = {
            p.relative_to(folder).as_posix(): p for p in write_report(found, Path(folder), methods, pictures, only)
        }
        stale = [n for n, p in fresh.items() if not (out / n).exists() or not filecmp.cmp(p, out / n, False)]
        stale += [f"{name} (left over)" for name in leftovers(out, fresh, only)]
    if stale:
        told = ", ".join(stale[:5]) + (f" and {len(stale) - 5} more" if len(stale) > 5 else "")
        raise Regression(f"{out} is stale: {told}; write it again with 'cpbench report'.")
    console.print(f"{len(fresh)} files in {out} are up to date.", highlight=False, soft_wrap=True)


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
