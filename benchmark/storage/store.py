"""Units on disk: each is whole or absent, and checked whenever it is read.

Below the folder of a store lie, for a unit with key k: ``k/`` (finished), ``k.partial/`` (under way, or left by a
process that died), ``k.scratch/`` (checkpoints of what is under way), ``k.damaged-0/`` (set aside), ``.locks/k``, and
``.locks/run …`` of each run.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock, Timeout

from ..errors import BadInput, Busy, Lost
from ..hashing import digest

RECORD, OWNER, RUN = "unit.json", "owner.json", "run "
_OWN = "digest"  # of the rest of unit.json


def home() -> Path:
    """The folder of units and caches: ``$CPBENCH_HOME``, else the platform's cache folder; made when missing."""
    folder = Path(os.environ.get("CPBENCH_HOME") or platformdirs.user_cache_dir("cpbench"))
    return writable(folder, "set CPBENCH_HOME to a folder that can")


def writable(folder: Path, remedy: str = "choose another with --out") -> Path:
    """The folder, made when missing; raises BadInput, with the remedy, where nothing can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # a name of its own: another run may probe the folder just now
            pass
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise BadInput(f"{folder} cannot be written ({error.strerror}); {remedy}.") from None
    return folder


class Store:
    """The units below ``folder``, each in a folder named by its key with a ``unit.json`` beside its files."""

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self.folder, self.warn, self.locks = folder, warn, folder / ".locks"
        self.locks.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Let others know that a run is under way, also between two of its units (:func:`.inventory.runs`)."""
        name = f"{RUN}{socket.gethostname()} {os.getpid()} {uuid.uuid4().hex}"
        with FileLock(self.locks / name):
            try:
                yield
            finally:
                (self.locks / name).unlink(missing_ok=True)  # of a process that dies it stays, unlocked

    def keys(self) -> set[str]:
        """Keys of all finished units; their files are not looked at."""
        with os.scandir(self.folder) as entries:
            return {entry.name for entry in entries if "." not in entry.name}

    def find(self, key: str) -> Path | None:
        """The folder of a finished unit, checked; a damaged one is set aside, with its name said."""
        folder = self.folder / key
        if not folder.is_dir():
            return None
        if fault := fault_of(folder):
            aside = self.folder / f"{key}.damaged-{len(list(self.folder.glob(f'{key}.damaged-*')))}"
            with suppress(FileNotFoundError):  # another process may have found it at the same time
                folder.replace(aside)
            self.warn(f"unit {key} is damaged ({fault}); set aside as {aside.name}, and done again.")
            return None
        return folder

    def read(self, key: str) -> Path:
        """The folder of a unit that others need; raises Lost where it is not there, or not any more."""
        folder = self.find(key)
        if folder is None:
            raise Lost(f"unit {key} is not there any more; run the same command again.")
        return folder

    def meta(self, key: str) -> dict[str, Any]:
        """The ``unit.json`` of a finished unit."""
        content: dict[str, Any] = self.read_json(key, "unit.json")
        return content

    def read_json(self, key: str, name: str) -> Any:
        """The content of a JSON file of a finished unit."""
        return json.loads((self.read(key) / name).read_text())

    def put(
        self, key: str, inputs: dict[str, Any], write: Callable[[Path], dict[str, Any]], *, wait: bool = True
    ) -> Path:
        """Do a unit unless it is there: ``write`` fills a folder and returns what it measured.

        Written beside its place, synced and renamed: killed at any instant, nothing half-done is left under the key.
        One process a unit: the system frees the lock of a process that died, and the others wait for a living one, or
        get Busy without ``wait``.
        """
        try:
            with FileLock(self.locks / key, timeout=-1 if wait else 0):
                return self.find(key) or self._do(key, inputs, write)
        except Timeout:
            raise Busy(f"{owner(self.folder / f'{key}.partial')} is under way.") from None

    def _do(self, key: str, inputs: dict[str, Any], write: Callable[[Path], dict[str, Any]]) -> Path:
        partial = self.folder / f"{key}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        (partial / OWNER).write_text(json.dumps({"host": socket.gethostname(), "pid": os.getpid()} | inputs))
        start = time.perf_counter()
        try:
            measured = write(partial)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        seconds = time.perf_counter() - start
        (partial / OWNER).unlink()
        files = {str(f.relative_to(partial)): _sha256(f) for f in sorted(partial.rglob("*")) if f.is_file()}
        meta = {"key": key, "inputs": inputs, "seconds": seconds, "measured": measured, "sha256": files}
        as_read = json.loads(json.dumps(meta))
        (partial / RECORD).write_text(json.dumps(as_read | {_OWN: digest(as_read)}, indent=1))
        _sync(partial)
        partial.replace(self.folder / key)
        _flush(self.folder)
        shutil.rmtree(self.scratch(key), ignore_errors=True)
        return self.folder / key

    def scratch(self, key: str) -> Path:
        """The folder for checkpoints of a unit under way; it goes when the unit is finished."""
        return self.folder / f"{key}.scratch"


def owner(partial: Path) -> str:
    """Who does a unit that is under way, as far as it is known."""
    try:
        who = json.loads((partial / OWNER).read_text())
        return f"{who['what']} (process {who['pid']} on {who['host']})"
    except (OSError, ValueError, KeyError):
        return partial.name


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def fault_of(folder: Path) -> str | None:
    """What is wrong with a unit's files, or None."""
    try:
        meta = json.loads((folder / RECORD).read_text())
        recorded: dict[str, str] = meta["sha256"]
        own = meta.pop(_OWN, None)  # units of before have none
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "unit.json cannot be read"
    if own is not None and own != digest(meta):
        return "unit.json has a wrong checksum"
    for name, sha256 in recorded.items():
        if not (folder / name).is_file():
            return f"{name} is missing"
        if _sha256(folder / name) != sha256:
            return f"{name} has a wrong checksum"
    return None


def _sync(folder: Path) -> None:
    """Flush the files and the folder itself to the disk before the rename makes them count."""
    for path in (*folder.rglob("*"), folder):
        if path.is_file() or path.is_dir():
            _flush(path)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def stored_bytes(folder: Path) -> int:
    """Bytes of the content of all files below a folder: what a method has to keep, on any file system."""
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


def disk_bytes(folder: Path) -> int:
    """Bytes that a folder takes on this disk, as ``du`` counts them: whole blocks, folders too, hard links once."""
    seen: dict[tuple[int, int], int] = {}
    for path in (folder, *folder.rglob("*")):
        with suppress(FileNotFoundError):  # another process may be at work
            stat = path.lstat()
            seen[stat.st_dev, stat.st_ino] = getattr(stat, "st_blocks", -(-stat.st_size // 512)) * 512
    return sum(seen.values())
