"""Units on disk: each is whole or absent, and verified whenever it is read.

For a unit with key k, a store has ``k/`` (finished), ``k.partial/`` (under way, or left by a process that died),
``k.scratch/`` (checkpoints of work under way), ``k.damaged-0/`` (set aside) and ``.locks/k``. Each run under way has
``.locks/run …``. Where a file equals one in a unit that this unit depends on (a state keeps adapters of the state
before), it is a hard link to that file: nothing is stored twice, and removing a folder frees only what no other has.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR
from typing import Any

from filelock import Timeout

from ..errors import BadInput, Busy, Lost
from ..hashing import digest, sha256
from ..places import home_read
from ..plain_json import json_text
from .files import OWN, OWNER, RECORD, clear, fault_of, flush, own_copy, share, sync
from .locks import holding
from .machine import FULL, whose

RUN = "run "
_SHARED = ("units", "units/.locks", "features")


def home() -> Path:
    """The folder of units and caches: ``$CPBENCH_HOME``, or the platform's cache folder. Created if missing.

    Raises BadInput if it, or a folder in it that every run writes to, cannot be written.
    """
    folder, remedy = home_read(), "set CPBENCH_HOME to a folder that you can write"
    writable(folder, remedy)
    for part in _SHARED:
        if (folder / part).exists():
            writable(folder / part, remedy)
    return folder


def writable(folder: Path, remedy: str = "choose another with --out") -> Path:
    """The folder, created if missing; raises BadInput with the remedy if it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # a unique name: another run may test the folder at the same time
            pass
    except OSError as error:
        if error.errno in FULL:
            raise
        raise BadInput(f"{folder} is not writable ({error.strerror}{whose(folder)}); {remedy}.") from None
    return folder


def writable_records(out: Path, suite: str, methods: Iterable[str]) -> Path:
    """The folder of records, created if missing; raises BadInput if those of a suite's methods cannot be written."""
    writable(out)
    for place in (out / suite, *(out / suite / method for method in methods)):
        if place.exists():
            writable(place)
    return out


@dataclass
class Making:
    """A unit under way: the folder for its files, and what was measured."""

    folder: Path
    measured: dict[str, Any] = field(default_factory=dict)


class Store:
    """The units below ``folder``, each in a folder named by its key, with a ``unit.json`` beside its files.

    ``warn`` is called with a sentence for every damaged unit that is found.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self.folder, self.warn, self.locks = folder, warn, folder / ".locks"
        self.locks.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Mark that a run is under way, also between two of its units (:func:`.inventory.runs` lists them)."""
        name = f"{RUN}{socket.gethostname()} {os.getpid()} {uuid.uuid4().hex}"
        with holding(self.locks / name):
            try:
                yield
            finally:
                with suppress(OSError):  # if the process dies, the file stays without a lock
                    (self.locks / name).unlink()

    def keys(self) -> set[str]:
        """The keys of all finished units; their files are not verified."""
        with os.scandir(self.folder) as entries:
            return {entry.name for entry in entries if "." not in entry.name}

    def find(self, key: str) -> Path | None:
        """The folder of a finished unit, verified, or None. A damaged unit is set aside with a warning."""
        folder = self.folder / key
        if not folder.is_dir():
            return None
        if fault := fault_of(folder):
            aside = self.folder / f"{key}.damaged-{len(list(self.folder.glob(f'{key}.damaged-*')))}"
            with suppress(FileNotFoundError):  # another process may have set it aside at the same time
                folder.replace(aside)
            self.warn(f"unit {key} is damaged ({fault}); it is set aside as {aside.name} and computed again.")
            return None
        return folder

    def read(self, key: str) -> Path:
        """The folder of a unit that another unit needs; raises Lost if it is missing or damaged."""
        folder = self.find(key)
        if folder is None:
            raise Lost(f"unit {key} is missing from {self.folder}; run the same command again.")
        return folder

    def meta(self, key: str) -> dict[str, Any]:
        """The ``unit.json`` of a finished unit; raises Lost if the unit is missing or damaged."""
        content: dict[str, Any] = self.read_json(key, "unit.json")
        return content

    def read_json(self, key: str, name: str) -> Any:
        """The content of a JSON file of a finished unit; raises Lost if the unit is missing or damaged."""
        return json.loads((self.read(key) / name).read_text())

    def put(
        self, key: str, inputs: dict[str, Any], write: Callable[[Path], dict[str, Any]], *, wait: bool = True
    ) -> Path:
        """Compute a unit unless it is in the store: ``write`` fills a folder and returns what it measured."""
        with self.making(key, inputs, wait=wait) as unit:
            if unit is not None:
                unit.measured = write(unit.folder)
        return self.folder / key

    @contextmanager
    def making(self, key: str, inputs: dict[str, Any], *, wait: bool = True) -> Iterator[Making | None]:
        """A folder for the files of a unit, which is finished at the end of the block; None if it is in the store.

        The folder is written under another name, synced and renamed, so that a process killed at any instant leaves
        nothing incomplete under the key. Each unit has one lock, which the system releases if its process dies. If
        another process holds it, this call waits, or raises Busy without ``wait``.
        """
        partial = self.folder / f"{key}.partial"
        with ExitStack() as held:
            try:
                held.enter_context(holding(self.locks / key, wait=wait))
            except Timeout:
                raise Busy(f"{owner(partial)} is under way.") from None
            if self.find(key) is not None:
                yield None
                return
            clear(partial)
            own_copy(self.scratch(key))
            partial.mkdir()
            (partial / OWNER).write_text(json_text({"host": socket.gethostname(), "pid": os.getpid()} | inputs))
            unit, start = Making(partial), time.perf_counter()
            try:
                yield unit
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
            self._finish(key, inputs, unit, time.perf_counter() - start)

    def _finish(self, key: str, inputs: dict[str, Any], unit: Making, seconds: float) -> None:
        partial = unit.folder
        (partial / OWNER).unlink()
        files = {str(f.relative_to(partial)): sha256(f) for f in sorted(partial.rglob("*")) if f.is_file()}
        share(partial, files, [self.folder / need for need in inputs.get("needs", ())])
        meta = {"key": key, "inputs": inputs, "seconds": seconds, "measured": unit.measured, "sha256": files}
        as_read = json.loads(json_text(meta))
        (partial / RECORD).write_text(json_text(as_read | {OWN: digest(as_read)}, indent=1))
        sync(partial)
        partial.replace(self.folder / key)
        flush(self.folder)
        shutil.rmtree(self.scratch(key), ignore_errors=True)

    def scratch(self, key: str) -> Path:
        """The folder for checkpoints of a unit under way; it is removed when the unit is finished."""
        return self.folder / f"{key}.scratch"

    def traceback(self, key: str) -> Path:
        """The file for the traceback of a unit that failed; it is removed when the unit is finished."""
        return self.folder.parent / "tracebacks" / f"{key}.txt"


def owner(partial: Path) -> str:
    """Which process computes a unit under way, and what it does; the folder's name if that is unknown."""
    try:
        who = json.loads((partial / OWNER).read_text())
        return f"{who['what']} (process {who['pid']} on {who['host']})"
    except (OSError, ValueError, KeyError):
        return partial.name


def stored_bytes(folder: Path) -> int:
    """The sum of the sizes of all files below a folder, in bytes, the same on every file system."""
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


def disk_bytes(folder: Path) -> int:
    """The bytes that a folder occupies on disk, as ``du`` counts them: whole blocks, folders, hard links once."""
    return sum({_identity(stat): _blocks(stat) for stat in _stats([folder])}.values())


def freed_bytes(paths: Iterable[Path]) -> int:
    """The bytes on disk that are freed by removing some paths: a file with a hard link elsewhere stays."""
    found = list(_stats(paths))
    links = Counter(map(_identity, found))
    freed = {_identity(s): _blocks(s) for s in found if S_ISDIR(s.st_mode) or links[_identity(s)] >= s.st_nlink}
    return sum(freed.values())


def owed_bytes(folder: Path) -> float:
    """A folder's part of the bytes on disk: a file with n hard links counts as the n-th part of one."""
    return sum(_blocks(s) / (1 if S_ISDIR(s.st_mode) else s.st_nlink) for s in _stats([folder]))


def _stats(paths: Iterable[Path]) -> Iterator[os.stat_result]:
    """Of all files and folders at and below some paths."""
    for path in (inner for top in paths for inner in (top, *top.rglob("*"))):
        with suppress(OSError):  # another process may remove files, another user keep them for itself
            yield path.lstat()


def _identity(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_dev, stat.st_ino


def _blocks(stat: os.stat_result) -> int:
    blocks: int = getattr(stat, "st_blocks", -(-stat.st_size // 512))
    return blocks * 512
