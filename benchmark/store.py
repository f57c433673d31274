"""Units on disk: each is whole or absent, and checked whenever it is read."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock

from .errors import BadInput


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
        raise BadInput(f"{folder} cannot be written ({error.strerror}); {remedy}.") from None
    return folder


class Store:
    """The units below ``folder``, each in a folder named by its key with a ``unit.json`` beside its files."""

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self.folder, self.warn, self.locks = folder, warn, folder / ".locks"
        self.locks.mkdir(parents=True, exist_ok=True)

    def find(self, key: str) -> Path | None:
        """The folder of a finished unit, checked; a damaged one is set aside, with its name said."""
        folder = self.folder / key
        if not folder.is_dir():
            return None
        if fault := _fault(folder):
            aside = self.folder / f"{key}.damaged-{len(list(self.folder.glob(f'{key}.damaged-*')))}"
            folder.replace(aside)
            self.warn(f"unit {key} is damaged ({fault}); set aside as {aside.name}, and done again.")
            return None
        return folder

    def meta(self, key: str) -> dict[str, Any]:
        """The ``unit.json`` of a finished unit."""
        content: dict[str, Any] = self.read_json(key, "unit.json")
        return content

    def read_json(self, key: str, name: str) -> Any:
        """The content of a JSON file of a finished unit."""
        return json.loads((self.folder / key / name).read_text())

    def put(self, key: str, inputs: dict[str, Any], write: Callable[[Path], dict[str, Any]]) -> Path:
        """Do a unit unless it is there: ``write`` fills a folder and returns what it measured.

        Written beside its place, synced and renamed: killed at any instant, nothing half-done is left under the key.
        One process a unit: the others wait for it, and the system frees the lock of a process that died.
        """
        with FileLock(self.locks / key):
            if found := self.find(key):
                return found
            partial = self.folder / f"{key}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            measured = write(partial)
            files = {str(f.relative_to(partial)): _sha256(f) for f in sorted(partial.rglob("*")) if f.is_file()}
            meta = {"key": key, "inputs": inputs, "measured": measured, "sha256": files}
            (partial / "unit.json").write_text(json.dumps(meta, indent=1))
            _sync(partial)
            partial.replace(self.folder / key)
            return self.folder / key


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _fault(folder: Path) -> str | None:
    """What is wrong with a unit's files, or None."""
    try:
        recorded: dict[str, str] = json.loads((folder / "unit.json").read_text())["sha256"]
    except (OSError, ValueError, KeyError):
        return "unit.json cannot be read"
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
            handle = os.open(path, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)


def stored_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
