"""``cpbench gc``: frees the disk of what nothing needs."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.progress import track
from rich.table import Table

from ..errors import BadInput
from ..records.result import iterate_results
from ..storage.inventory import Inventory, remove, runs, take_inventory, unused
from ..storage.store import disk_bytes, home, owner
from .console import interruptible


@interruptible()
def collect(results: Path | None, checkpoints: bool, dry_run: bool) -> None:
    """Remove what dead processes left and what is damaged; more where it is asked for. Nothing that is under way."""
    console, folder = Console(), home()
    stock = take_inventory(folder / "units")
    parts = {name: paths for name, paths in stock.named().items() if name != "checkpoints" or checkpoints}
    if results is not None:
        parts["used by no record"] = _unused(stock, results)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("what", "number", "on disk"):
        table.add_column(column, justify="left" if column == "what" else "right")
    sizes = {name: [disk_bytes(path) for path in paths] for name, paths in parts.items()}
    for name, paths in parts.items():
        table.add_row(name, str(len(paths)), decimal(sum(sizes[name])))
    console.print(table)
    every = [path for paths in parts.values() for path in paths]
    if dry_run:
        console.print(f"{decimal(sum(map(sum, sizes.values())))} in {folder} would be freed.", highlight=False)
        return
    freed = sum(remove(path, folder / "units") for path in track(every, "removing", console=console, transient=True))
    console.print(f"{decimal(freed)} in {folder} freed; {decimal(disk_bytes(folder))} are left.", highlight=False)


def _unused(stock: Inventory, results: Path) -> list[Path]:
    """Units that no record names; raises BadInput during a run, and for a folder without records: all would go."""
    if busy := [*map(owner, stock.under_way), *runs(home() / "units")]:
        raise BadInput(
            f"--unused {results}: {busy[0]} is under way in this store, and no record names yet what "
            "its run has finished; wait until it ends, or leave --unused out."
        )
    if next(iterate_results(results), None) is None:
        raise BadInput(f"--unused {results} holds no records: every unit would be removed; name another folder.")
    return unused(stock.units, results)
