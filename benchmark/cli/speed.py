"""``cpbench speed``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..paths import FILE
from .options import Device, Quiet

if TYPE_CHECKING:
    from rich.table import Table

    from ..run.events import Event
    from ..speed.row import Row
    from ..terminal import Terminal

_DIGITS = {"ratio": ".2f", "share": ".1%", "exponent": ".2f", "seconds": ".2f", "megabytes": ".0f"}
_TITLES = {
    "ratio": "Time of cpbench / time of the other, in pairs; below 1, cpbench is faster",
    "share": "Shares of a first run",
    "exponent": "Growth with the number of tasks T",
    "seconds": "Commands in fresh processes",
}
_NOTE = (
    "Seconds of two machines, or of a busy and an idle one, cannot be compared. Compare ratios, before and after a "
    "change, on one machine."
)


def speed(
    only: Annotated[
        str,
        typer.Option(
            help="Parts of the table, separated by commas: step, dsc, fisher, drawing, scoring, run, growth, cli, or "
            "'all'."
        ),
    ] = "all",
    repeats: Annotated[
        int, typer.Option(help="Pairs per measurement; short ones have more. More pairs take longer.")
    ] = 5,
    backbone: Annotated[
        str, typer.Option(help="The model that learns and draws: toybox, a folder in diffusers' layout, or a hub id.")
    ] = "toybox",
    device: Device = "auto",
    json: Annotated[Path | None, FILE, typer.Option(help="Write the table to this file too, e.g. before.json.")] = None,
    quiet: Quiet = False,
) -> None:
    """Measure how fast cpbench is, in one thread: as ratios to other code, so that a change can be judged.

    It takes about 4 minutes.

    Example: cpbench speed --only step,drawing --json before.json
    """
    from ..terminal import Terminal
    from ..verbs.speed import speed as verb
    from .console import interruptible

    if json is not None:
        from ..storage.store import writable

        writable(json.parent, "choose another with --json")
    console = Terminal()
    with interruptible("nothing is kept"), _progress(console, quiet=quiet) as progress:
        rows = verb(only, repeats=repeats, backbone=backbone, device=device, on_event=progress)
    for table in tables(rows):
        console.print(table, "")
    for row in (r for r in rows if r.median is None):
        console.print(f"Not measured: {row.what}. {row.note}")
    console.print(_NOTE)
    if json is not None:
        _write(json, rows, backbone, device)


@contextmanager
def _progress(console: Terminal, *, quiet: bool) -> Iterator[Callable[[Event], None]]:
    """Show what is measured: a bar on a terminal, else a line per measurement."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    from ..run.events import Preparing
    from ..terminal import words

    live = console.is_interactive and not quiet
    columns = (words("{task.description:<46}"), BarColumn(bar_width=10), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not live) as bar:
        shown = bar.add_task("", total=None)

        def progress(event: Event) -> None:
            if not isinstance(event, Preparing):
                return
            bar.update(shown, description=event.what, completed=event.done, total=event.of or None)
            if not (live or quiet):
                console.print(f"[{event.done + 1}/{event.of}] {event.what}" if event.of else event.what)

        yield progress


def tables(rows: Sequence[Row]) -> Iterator[Table]:
    """The rows as a table per kind of value."""
    from ..terminal import Sheet

    seen = [row for row in rows if row.median is not None]
    numbers = ("median", "min", "max", "n")
    for unit in ("ratio", "seconds"):
        if found := [row for row in seen if row.unit in (unit, "megabytes" if unit == "seconds" else unit)]:
            second = "compared with" if unit == "ratio" else "unit"
            table = Sheet("what", second, *numbers, right=numbers, title=_TITLES[unit])
            for row in found:
                spread = (format(value, _DIGITS[row.unit]) for value in (row.median, row.least, row.most))
                other = row.against if unit == "ratio" else "s" if row.unit == "seconds" else "MB, peak"
                table.add_row(row.what, other, *spread, str(row.n))
            yield table
        if unit == "ratio":
            yield from _others(seen)


def _others(seen: Sequence[Row]) -> Iterator[Table]:
    """The tables of shares and of growth."""
    from rich.filesize import decimal

    from ..terminal import Sheet

    if found := [row for row in seen if row.unit == "share"]:
        table = Sheet("what", "share", "of", right=("share",), title=_TITLES["share"])
        for row in found:
            table.add_row(row.what, format(row.median, _DIGITS["share"]), row.note)
        yield table
    if found := [row for row in seen if row.unit == "exponent"]:
        numbers = [*(f"T={n}" for n in found[0].counts), "exponent"]
        table = Sheet("what", *numbers, right=numbers, title=_TITLES["exponent"])
        for row in found:
            size = decimal if "bytes" in row.what else "{:,}".format
            table.add_row(row.what, *map(size, row.counts.values()), format(row.median, _DIGITS["exponent"]))
        yield table


def _write(file: Path, rows: Sequence[Row], backbone: str, device: str) -> None:
    """Write the rows, and what they were measured on, as JSON."""
    from dataclasses import asdict

    from ..models.loading import pick_device
    from ..plain_json import write_json
    from ..run.environment import environment

    write_json(
        file, {"backbone": backbone, "environment": environment(pick_device(device)), "rows": [*map(asdict, rows)]}
    )
