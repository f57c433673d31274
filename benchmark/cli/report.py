"""``cpbench report``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..paths import FOLDER
from .options import Baseline, Quiet, Results

if TYPE_CHECKING:
    from ..terminal import Terminal


def report(
    results: Results = None,
    out: Annotated[Path, FOLDER, typer.Option(help="Folder to write the report to.")] = Path("report"),
    only: Annotated[
        str | None,
        typer.Option(
            help="Write one part: tables, plots, samples or site; or one kind of plot, e.g. curves, frontier or "
            "balance. Default: all."
        ),
    ] = None,
    baseline: Baseline = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit status 3 if the report is out of date.")
    ] = False,
    strips: Annotated[
        Path | None,
        FOLDER,
        typer.Option(
            help="Instead of a report, write small film strips beside the same runs' records in this folder, e.g. "
            "results: sites then show pictures that the store no longer has."
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write tables (Markdown, CSV, LaTeX), plots (PNG, SVG, PDF), sample sheets and a site from the records.

    Example: cpbench report --results runs --out report --only tables
    """
    from ..terminal import Terminal, working
    from ..verbs.report import check_report, keep_strips
    from ..verbs.report import report as verb
    from ..wording import counted, one_line
    from .console import interruptible, warn

    console = Terminal()
    if strips is not None:
        with interruptible(), working(console, "writing strips"):
            kept = keep_strips(results, strips, warn)
        console.print(f"{counted(len(kept), 'film strip')} in {strips}.", soft_wrap=True)
        return
    with interruptible(), _bars(console, quiet=quiet) as progress:
        paths = (check_report if check else verb)(
            results, out, only=only, baseline=baseline, on_progress=progress, warn=warn
        )
    if check:
        console.print(f"{counted(len(paths), 'file')} in {out}: up to date.", soft_wrap=True)
        return
    for path in (p for p in paths if p.parent == out or p.name == "index.html"):
        console.print(one_line(str(path)), soft_wrap=True)
    console.print(f"{counted(len(paths), 'file')} in {out}.", soft_wrap=True)


@contextmanager
def _bars(console: Terminal, *, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each part of the report that is under way; what it gives is called with the part and its progress."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    from ..terminal import words

    columns = (words("{task.description:<18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bars = Progress(*columns, console=console, transient=True, disable=quiet or not console.is_interactive)
    with bars:
        tasks = {"": bars.add_task("reading records", total=None)}

        def progress(part: str, done: int, of: int) -> None:
            if part not in tasks:
                bars.update(tasks[""], visible=False)
                tasks[part] = bars.add_task(part, total=of)
            bars.update(tasks[part], completed=done, total=of, visible=done < of)

        yield progress
