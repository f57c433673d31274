"""``cpbench gc``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..paths import FOLDER

if TYPE_CHECKING:
    from ..storage.inventory import Inventory


def gc(
    unused: Annotated[
        list[Path] | None,
        FOLDER,
        typer.Option(help="Also remove units that no record in this folder uses, e.g. runs. Repeatable."),
    ] = None,
    checkpoints: Annotated[
        bool,
        typer.Option("--checkpoints", help="Also remove checkpoints of interrupted tasks; these then start again."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed; remove nothing.")] = False,
) -> None:
    """Remove damaged units and what dead processes left behind; with options, more.

    Nothing that is under way is removed.

    Example: cpbench gc --unused runs --dry-run
    """
    from .console import interruptible

    with interruptible():
        _collect(unused or (), checkpoints, dry_run)


def _collect(results: Sequence[Path], checkpoints: bool, dry_run: bool) -> None:
    from rich.filesize import decimal
    from rich.progress import track

    from ..places import home_read
    from ..storage.inventory import take_inventory
    from ..storage.store import disk_bytes, freed_bytes, home
    from ..terminal import Sheet, Terminal

    console, folder = Terminal(), home_read() if dry_run else home()
    stock = take_inventory(folder / "units")
    parts = {name: paths for name, paths in stock.named().items() if name != "checkpoints" or checkpoints}
    if results:
        parts["used by no record"] = unused_units(stock, results)
    rows = Sheet("what", "number", "on disk", right=("number", "on disk"))
    for name, paths in parts.items():
        rows.add_row(name, str(len(paths)), decimal(freed_bytes(paths)))
    console.print(rows)
    every = [path for paths in parts.values() for path in paths]
    if dry_run:
        console.print(f"{decimal(freed_bytes(every))} in {folder} would be freed.", soft_wrap=True)
        return
    freed = sum(_removed(path, folder) for path in track(every, "removing", console=console, transient=True))
    console.print(f"Freed {decimal(freed)} in {folder}; {decimal(disk_bytes(folder))} left in use.", soft_wrap=True)


def _removed(path: Path, folder: Path) -> int:
    """The bytes freed by removing a part of the store; one of another user stays, with a warning."""
    from ..storage.inventory import remove
    from ..storage.machine import whose
    from .console import warn

    try:
        return remove(path, folder / "units")
    except OSError as error:
        warn(f"{path} cannot be removed ({error.strerror}{whose(path)}); its owner can remove it.")
        return 0


def unused_units(stock: Inventory, results: Sequence[Path]) -> list[Path]:
    """Units that no record names; raises BadInput during a run, and for a folder without records, which names none."""
    from ..errors import BadInput
    from ..places import home_read
    from ..records.reading import read_records, unheard
    from ..storage.inventory import runs, unused
    from ..storage.store import owner

    if busy := [*map(owner, stock.under_way), *runs(home_read() / "units")]:
        raise BadInput(
            f"--unused {results[0]}: {busy[0]} is under way in this store, and no record names its "
            "finished units yet; wait until it ends, or omit --unused."
        )
    for folder in results:
        if next(read_records(folder, on_fault=unheard), None) is None:
            raise BadInput(
                f"--unused {folder} holds no records, so every unit would be removed; choose another folder."
            )
    return unused(stock.units, *results)
