"""``cpbench check``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Device, Jobs, Quiet

if TYPE_CHECKING:
    from rich.console import Console

    from ..checks.regression import Verdict

_SHOWN = 5  # differences per run; the others are only counted


def check(
    methods: Annotated[str, typer.Option(help="Names separated by commas, or 'all' stored ones.")] = "all",
    suite: Annotated[str, typer.Option(help="Suite of the stored runs: its name or YAML file.")] = "toybox-2",
    against: Annotated[
        Path | None, typer.Option(help="Folder of the stored records. Default: those that cpbench ships.")
    ] = None,
    results: Annotated[
        list[Path] | None,
        typer.Option(help="Compare the records in this folder; re-run nothing. Repeatable: the first counts."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many of the stored seeds to re-run.")] = 1,
    device: Device = "auto",
    jobs: Jobs = 1,
    junit: Annotated[Path | None, typer.Option(help="Also write the outcome to this file, as JUnit XML.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Also write a summary to this file, in Markdown.")] = None,
    update: Annotated[
        str | None,
        typer.Option(
            help="Replace stored records that differ with the new ones, for this reason, e.g. 'a new sampler'."
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Re-run stored runs and show what changed; exit with status 3 if anything did.

    Example: cpbench check --methods lora,dsc --junit check.xml
    """
    from rich.console import Console

    from ..checks.verdicts import sentence, to_junit, to_markdown
    from ..errors import BadInput, Regression
    from ..run.progress import watching
    from ..storage.baseline import baseline
    from ..storage.store import writable
    from ..verbs.check import check as verb
    from .console import interruptible

    for file in filter(None, (junit, markdown)):
        if file.is_dir():
            raise BadInput(f"{file} is a folder; name a file in it.")
        writable(file.parent)
    console = Console()
    with interruptible(), watching(console, quiet=quiet) as view:
        verdicts = verb(
            methods,
            suite,
            against=against,
            results=results,
            seeds=seeds,
            device=device,
            jobs=jobs,
            update=update,
            on_event=view,
        )
    _print(console, verdicts)
    for path, text in ((junit, to_junit), (markdown, to_markdown)):
        if path is not None:
            path.write_text(text(verdicts))
    changed = sum(bool(v.differences) for v in verdicts)
    if update is not None:
        console.print(f"Records in {against or baseline()} replaced: {changed} ({update}).", highlight=False)
    elif changed:
        raise Regression(f"{sentence(verdicts)} If this is intended, give the reason with --update.")


def _print(console: Console, verdicts: Sequence[Verdict]) -> None:
    """Print a row per run, then the first few changes of each run."""
    from ..checks.verdicts import allowed, how, sentence
    from ..wording import counted
    from .console import table

    rows = table("run", "compared", "how", "changed")
    for v in verdicts:
        mark = f"[red]{len(v.differences)}[/]" if v.differences else "[green]0[/]"
        rows.add_row(f"{v.run.method} (seed {v.run.seed})", str(v.compared), how(v), mark)
    console.print(rows)
    if any(v.differences for v in verdicts):
        changed = table("run", "what", "stored", "now", "allowed")
        for m in (m for v in verdicts for m in v.differences[:_SHOWN]):
            changed.add_row(m.run, m.what, m.stored, m.now, allowed(m))
        console.print(changed)
        if hidden := sum(max(0, len(v.differences) - _SHOWN) for v in verdicts):
            console.print(f"{counted(hidden, 'more change')} not shown; --junit lists all of them.", highlight=False)
    console.print(sentence(verdicts), highlight=False)
