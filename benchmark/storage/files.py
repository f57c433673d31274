"""The files of a unit: whether they are whole, what a dead process left of them, and their way to the disk."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import BadInput
from ..hashing import digest, sha256
from ..plain_json import parse_json
from ..wording import shown

RECORD, OWNER = "unit.json", "owner.json"
OWN = "digest"
"""The field of ``unit.json`` with the hash of all others."""
_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


def clear(partial: Path) -> None:
    """Remove what a dead process left; what belongs to another user, and so cannot be removed, is set aside."""
    shutil.rmtree(partial, ignore_errors=True)
    if partial.exists():
        partial.replace(partial.with_name(f"{partial.name}-{uuid.uuid4().hex[:8]}"))


def own_copy(scratch: Path) -> None:
    """Copy checkpoints of a dead process of another user, so that this one can continue from them and write more."""
    if not scratch.exists() or os.access(scratch, os.R_OK | os.W_OK | os.X_OK):
        return
    aside = scratch.replace(scratch.with_name(f"{scratch.name}-{uuid.uuid4().hex[:8]}"))
    scratch.mkdir()
    with suppress(OSError):  # without them, the work starts again
        for file in aside.iterdir():
            shutil.copyfile(file, scratch / file.name)


def fault_of(folder: Path) -> str | None:
    """What is wrong with the files of a unit; None if nothing is. Raises OSError if this user may not read them."""
    try:
        return _fault(folder)
    except OSError as error:
        if error.errno != errno.EIO:  # a bad sector is damage, a folder of another user is not
            raise
        return f"it cannot be read ({error.strerror})"


def _fault(folder: Path) -> str | None:
    try:
        meta = parse_json((folder / RECORD).read_text())
        recorded: dict[str, str] = meta["sha256"]
        own = meta.pop(OWN, None)  # units of older versions have none
    except (*_ABSENT, ValueError, KeyError, TypeError, AttributeError):
        return "unit.json cannot be read"
    if own is not None and own != digest(meta):
        return "unit.json does not match its checksum"
    for name, checksum in recorded.items():
        try:
            found = sha256(folder / name)
        except _ABSENT:
            return f"{name} is missing"
        if found != checksum:
            return f"{name} does not match its checksum"
    return None


def share(folder: Path, checksums: Mapping[str, str], units: Iterable[Path]) -> None:
    """Make files of a folder hard links to equal files of some units; where that is not possible, they stay copies.

    Nobody writes to the files of finished units, and a file is on disk until the last link to it is removed.
    """
    known = {checksum: unit / name for unit in units for name, checksum in _recorded(unit).items()}
    for name, checksum in checksums.items():
        if checksum in known:
            _link(folder / name, known[checksum], checksum)


def _recorded(unit: Path) -> dict[str, str]:
    """The checksums of a unit's files by name; empty if they cannot be read."""
    try:
        recorded: dict[str, str] = dict(parse_json((unit / RECORD).read_text())["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return recorded


def _link(file: Path, known: Path, checksum: str) -> None:
    """Replace a file by a link to a known one, if that is still whole."""
    link = file.with_name(f"{file.name}.link")
    with suppress(OSError):  # no hard links on this file system, too many of them, or the file of another user
        if not file.samefile(known) and sha256(known) == checksum:
            os.link(known, link)
            link.replace(file)


def sync(folder: Path) -> None:
    """Flush the files and the folder itself to disk, before the rename makes the unit visible."""
    for path in (*folder.rglob("*"), folder):
        if path.is_file() or path.is_dir():
            flush(path)


def flush(path: Path) -> None:
    """Flush a file or a folder to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to write in, which gets its name at the end of the block; if the block fails, nothing is left.

    Raises BadInput if there is such a folder already, unless it is empty, or if it cannot be made.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{shown(folder)} exists; name another folder with --out, or remove it.")
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise BadInput(f"{shown(folder)} cannot be made ({error.strerror}); choose another with --out.") from None
    try:
        yield partial
        if folder.exists():
            folder.rmdir()
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
