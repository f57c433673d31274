"""``cpbench doctor``."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Json


def doctor(
    quick: Annotated[
        bool, typer.Option("--quick", help="Skip the devices, loading the model, and the checksums of the units.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what is installed, which devices are available, and which units in the store are stale or damaged.

    Example: cpbench doctor
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress

    from ..errors import FailedRun
    from ..plain_json import json_text
    from ..run.quiet import quiet_libraries
    from ..storage.inventory import take_inventory
    from ..storage.store import home
    from ..streams import say
    from ..terminal import Sheet, Terminal, mark, words
    from ..verbs.doctor import checks, store_checks

    console = Terminal()
    columns = (words("comparing checksums"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, console=console, transient=True)
    if quick:
        rows = checks(quick=True)
    else:
        with quiet_libraries():
            rows = checks()
    if all(row.good for row in rows if row.what == "store"):
        with bar:
            seen = bar.add_task("", total=len(take_inventory(home() / "units").units), visible=not quick)
            rows += store_checks(lambda: bar.advance(seen), quick=quick)
    if as_json:
        say(json_text([vars(row) for row in rows], indent=1))
    else:
        table = Sheet(show_header=False)
        for row in rows:
            table.add_row(mark(row.good), row.what, row.found)
        console.print(table)
    if not all(row.good for row in rows):
        raise FailedRun("some checks failed; see the lines marked 'no'.")
