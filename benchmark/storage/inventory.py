"""What is in a store: finished units, work under way, leftovers of dead processes, and units that no record uses."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import Timeout

from ..errors import BadInput
from ..plain_json import parse_json
from ..records.reading import read_records
from ..wording import counted
from .files import RECORD, fault_of
from .locks import held, holding
from .machine import whose
from .store import RUN, freed_bytes

_STALE_SECONDS = 3600.0
"""A partial file of features that has not changed for so long is a leftover, and so is the store of a check: writing
features takes seconds."""


@dataclass(frozen=True)
class Inventory:
    """The folders of a store by state. ``under_way`` are locked by a running process, ``left_over`` by none.

    ``checkpoints`` belong to tasks that were interrupted, ``damaged`` are units that were set aside. ``tracebacks`` are
    files, of units that failed.
    """

    units: list[Path]
    under_way: list[Path]
    left_over: list[Path]
    checkpoints: list[Path]
    damaged: list[Path]
    tracebacks: list[Path] = field(default_factory=list)

    def named(self) -> dict[str, list[Path]]:
        """The folders that ``cpbench gc`` can remove, by state."""
        freed = {"left over": self.left_over, "damaged": self.damaged, "checkpoints": self.checkpoints}
        return freed | {"tracebacks": self.tracebacks}


def take_inventory(store: Path) -> Inventory:
    """Sort the folders of a store by state, without opening any file of a finished unit."""
    stock = Inventory([], [], [], [], [])
    if not store.is_dir():
        return stock
    with os.scandir(store) as entries:
        names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    for name in names:
        key, _, kind = name.partition(".")
        path = store / name
        if not kind:
            stock.units.append(path)
        elif kind.startswith("damaged"):
            stock.damaged.append(path)
        elif locked(store, key):
            stock.under_way.extend([path] if kind == "partial" else [])
        elif kind == "scratch" and not (store / key).is_dir():
            stock.checkpoints.append(path)
        else:
            stock.left_over.append(path)
    stock.tracebacks.extend(sorted((store.parent / "tracebacks").glob("*.txt")))
    stock.left_over.extend(filter(_old, (store.parent / "features").glob("*.partial")))
    stock.left_over.extend(filter(_old, store.parent.glob("baseline-*.partial")))
    for folder in (store.parent / "checks").glob("*"):  # a check that ends removes its own
        if _old(folder) and _old(folder / "units") and not runs(folder / "units"):
            stock.left_over.append(folder)
    return stock


def _old(path: Path) -> bool:
    """Whether a path has not changed for an hour, or does not exist."""
    try:
        return time.time() - path.stat().st_mtime > _STALE_SECONDS
    except OSError:
        return not path.exists()


def locked(store: Path, key: str) -> bool:
    """Whether a running process holds the lock of a unit."""
    return held(store / ".locks" / key)


def runs(store: Path) -> list[str]:
    """The processes that have a run under way in a store, one phrase each; lock files of dead ones are removed."""
    found = []
    for file in sorted((store / ".locks").glob(f"{RUN}*")):
        try:
            with holding(file, wait=False), suppress(OSError):  # a folder of another user may keep it
                file.unlink()
        except OSError:  # also Timeout; a lock that this user may not open may be held
            host, process, _ = file.name.removeprefix(RUN).rsplit(" ", 2)
            found.append(f"a run (process {process} on {host})")
    return found


def read_record(unit: Path) -> dict[str, Any]:
    """The ``unit.json`` of a unit; empty if it cannot be read."""
    try:
        content: dict[str, Any] = parse_json((unit / RECORD).read_text())
    except (OSError, ValueError):
        return {}
    return content


def faults(units: Iterable[Path], on_unit: Callable[[], None]) -> dict[Path, str]:
    """Damaged units and what is wrong with each, after comparing all checksums; ``on_unit`` is called after each."""
    found = {}
    for unit in units:
        try:
            fault = fault_of(unit)
        except OSError as error:
            fault = f"this user cannot read it ({error.strerror}{whose(unit)})"
        if fault:
            found[unit] = fault
        on_unit()
    return found


def unused(units: Iterable[Path], *results: Path) -> list[Path]:
    """Units that no record below some folders uses: neither listed in one, nor scores of units that are listed.

    Raises BadInput where any file there is faulty, for the units that it would name cannot be known.
    """
    faults = list[str]()
    records = (read_records(folder, on_fault=faults.append) for folder in results)  # a run in several counts in each
    used = {place.partition("/")[0] for found in records for _, record in found for place in record.units.values()}
    if faults:
        more = f" (and {counted(len(faults) - 1, 'more file')})" if faults[1:] else ""
        raise BadInput(f"{faults[0]}{more} Nothing was removed, since its units may be needed.")

    def needed(unit: Path) -> bool:
        inputs = read_record(unit).get("inputs", {})
        scored = inputs.get("kind") in ("measure", "classify")
        return unit.name in used or (scored and used.issuperset(inputs.get("needs", ())))

    return [unit for unit in units if not needed(unit)]


def _check_removable(path: Path) -> None:
    """Raise OSError unless all of it can be removed: half of a unit is of no use to anybody."""
    folders = [path.parent, *([path] if path.is_dir() else ()), *(p for p in path.rglob("*") if p.is_dir())]
    for folder in folders:
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def remove(path: Path, store: Path) -> int:
    """Remove a folder or file of a store; returns the bytes freed, 0 if another process locked it meanwhile.

    Raises OSError, and removes nothing, if it belongs to another user who does not share it.
    """
    key, _, kind = path.name.partition(".")
    _check_removable(path)
    try:
        with holding(store / ".locks" / key, wait=False):
            freed = freed_bytes([path])
            if not kind:  # rename first, so that no process finds half a unit under the key
                path = path.replace(path.with_name(f"{key}.partial"))
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    except Timeout:
        return 0
    return freed
