"""What commands share apart from their options: how they are stopped, and what they print at the end."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from ..errors import BadInput, FailedRun, Interrupted, TimeOver
from ..records.reading import read_result
from ..records.result import Result
from ..run.progress import View, plan_table, watching
from ..run.signals import answered, stopper


def parse_settings(texts: Sequence[str]) -> dict[str, str]:
    """The ``--set`` arguments by key; raises BadInput for one without '='."""
    pairs = [text.partition("=") for text in texts]
    for key, equals, _ in pairs:
        if not equals or "." not in key:
            raise BadInput(f"--set {key}: write it as section.option=value, e.g. dsc.temperature=0.05.")
    keys = [key for key, _, _ in pairs]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise BadInput(f"--set {twice[0]} is given twice; give it once.")
    return {key: value for key, _, value in pairs}


def warn(text: str) -> None:
    """Print what a person should read as one line on stderr, as it is."""
    typer.echo(f"cpbench: warning: {text}", err=True)


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and a full disk into errors of one sentence, before typer ends the process without any."""
    try:
        with answered(stopper()):
            yield
    except KeyboardInterrupt:
        raise Interrupted("interrupted; finished units are kept, and the same command continues.") from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f" for {error.filename}" if error.filename else ""
        raise FailedRun(
            f"no space left on the disk{where}; free some ('cpbench gc'), then run the same command again."
        ) from None


@contextmanager
def recording(out: Path, *, quiet: bool, baseline: str | None = None) -> Iterator[View]:
    """Show the progress of a verb that makes records, then print their leaderboard, even if some runs failed."""
    console, problem = Console(), None
    with interruptible(), watching(console, quiet=quiet) as view:
        try:
            yield view
        except (FailedRun, TimeOver) as error:
            problem = error
    if view.recorded or problem is None:
        print_leaderboard(console, view.recorded, out, baseline)
    if problem is not None:
        raise problem


@contextmanager
def planning() -> Iterator[View]:
    """Show the plan of a verb that computes nothing, then print it by kind of unit."""
    console = Console()
    with interruptible(), watching(console, quiet=True) as view:
        yield view
    if view.plan is not None:
        console.print(plan_table(view.plan.found))


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """An empty table without lines; the columns named in ``right`` hold numbers."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return made


def print_leaderboard(console: Console, paths: Sequence[Path], out: Path, baseline: str | None = None) -> None:
    """Print the leaderboard of some records beside the best shipped ones, and where the records are."""
    from ...methods.catalogue import UPPER_BOUNDS
    from ...reports.analysis.board import boards
    from ...reports.analysis.entry import entries_of
    from ...reports.tables.terminal import to_terminal
    from ..storage.baseline import is_baseline
    from ..verbs.arguments import RUNS
    from ..verbs.results import beside
    from ..wording import counted

    done: list[Result] = [r for r in map(read_result, paths) if r.status == "ok"]
    wide = console if console.is_terminal else Console(width=160)  # a file does not wrap
    if done:
        own = entries_of(done)
        shown = own if is_baseline(out) else [*own, *beside(own)]
        wide.print(to_terminal(boards(shown, UPPER_BOUNDS, baseline), wide.width, short=True))
    report = "cpbench report" if out == RUNS else f"cpbench report --results {out}"
    console.print(
        f"{counted(len(paths), 'record')} in {out}; '{report}' makes tables and plots.",
        highlight=False,
        soft_wrap=True,
    )
