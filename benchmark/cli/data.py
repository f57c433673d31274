"""``cpbench data``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Json, Quiet

ACTIONS = ("fetch", "verify", "lock", "list")


def data(
    action: Annotated[str, typer.Argument(metavar="fetch|verify|lock|list", help="What to do.")],
    names: Annotated[
        list[str] | None, typer.Argument(help="Data sets, or suites that need them (see 'cpbench data list').")
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="Take the files from this folder or archive instead of a mirror.")
    ] = None,
    mirror: Annotated[
        list[str] | None,
        typer.Option(help="Address to try first, ending with / or an archive, e.g. https://host/dataset/. Repeatable."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fetch the pictures that suites of photographs need, and check that they are the right ones.

    Example: cpbench data fetch dreambooth-10

    fetch: download what is missing; every file has a checksum, and an interrupted download continues. verify: check all
    files. lock: note the checksums of your own copy of a data set. list: the data sets and their licences.
    """
    from ..errors import BadInput, unknown
    from ..streams import say
    from ..verbs.data import lock_data, sets_of, verify_data
    from ..wording import one_line

    if action not in ACTIONS:
        raise unknown("action", action, ACTIONS)
    if action == "list":
        _print_list(as_json=as_json)
        return
    if not names:
        raise BadInput(f"cpbench data {action}: name a data set or a suite; see 'cpbench data list'.")
    for name in (found for given in names for found in sets_of(given)):
        if action == "fetch":
            text = _fetched(name, source, mirror or (), quiet=quiet)
        else:
            text = verify_data(name) if action == "verify" else lock_data(name)
        say(one_line(text))


def _print_list(*, as_json: bool) -> None:
    from ..plain_json import json_text
    from ..streams import say
    from ..terminal import Sheet, Terminal
    from ..verbs.data import listed_data

    rows = listed_data()
    if as_json:
        say(json_text(rows, indent=1))
        return
    sheet = Sheet(*rows[0], right=("files", "size"))
    for row in rows:
        sheet.add_row(*map(str, row.values()))
    Terminal().print(sheet)


def _fetched(name: str, source: Path | None, mirrors: list[str] | tuple[str, ...], *, quiet: bool) -> str:
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    from ..terminal import Terminal, words
    from ..verbs.data import bytes_left, fetch_data
    from .console import interruptible

    console = Terminal()
    columns = words("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with interruptible("what came is kept, and the same command continues"):
        with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bar:
            task = bar.add_task(name, total=None if source else bytes_left(name))
            return fetch_data(name, source=source, mirrors=list(mirrors), on_bytes=lambda n: bar.advance(task, n))
