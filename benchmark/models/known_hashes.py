"""Hashes of the weights in a folder, kept for as long as its files are the same: hashing takes seconds each time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from ..hashing import digest
from ..plain_json import parse_json, write_json

_FILE = "weights.json"


def known_hash(files: Path, home: Path | None, compute: Callable[[], str]) -> str:
    """The hash of the weights in a folder of ``files``: kept in ``home``, or computed.

    Files are the same if their names, sizes, places on the disk and times of the last change are, to the nanosecond;
    and the libraries, which name what they load, have the same versions.
    """
    if home is None:
        return compute()
    key, found = _state(files), kept_hash(files, home)
    if found is None:
        found = compute()
        with suppress(OSError):  # in a folder of another user, say: then it is computed each time
            write_json(home / _FILE, _read(home / _FILE) | {key: found}, sort_keys=True)
    return found


def kept_hash(files: Path, home: Path) -> str | None:
    """The hash of the weights in a folder of ``files`` that is kept in ``home``, if there is one."""
    return _read(home / _FILE).get(_state(files))


def _state(files: Path) -> str:
    stats = [(str(f.relative_to(files)), f.stat()) for f in sorted(files.rglob("*")) if f.is_file()]
    each = [[name, s.st_size, s.st_ino, s.st_mtime_ns, s.st_ctime_ns] for name, s in stats]
    return digest([str(files.resolve()), each, [version(name) for name in ("diffusers", "transformers")]])


def _read(file: Path) -> dict[str, str]:
    with suppress(OSError, ValueError, AttributeError):
        return {str(key): str(value) for key, value in parse_json(file.read_text()).items()}
    return {}
