"""The records that cpbench ships: ``results/`` of a checkout, or the archive in an installed package."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from zipfile import BadZipFile, ZipFile, ZipInfo

from ..errors import Damaged
from ..hashing import sha256
from ..places import home_read

ARCHIVE = "baseline.zip"
"""The file below ``results/`` of an installed package; ``setup.py`` makes it when a wheel is built."""
_REMEDY = "reinstall cpbench"


_RESULTS = Path(__file__).parents[2] / "results"


def baseline() -> Path:
    """The folder of the shipped records, which is only read.

    An archive is unpacked below :func:`.store.home` when it is first needed, and again where files are missing; where
    that cannot be written, into a temporary folder of this process. Raises Damaged if the package has no records or a
    damaged archive.
    """
    if packed():
        try:
            home_read().mkdir(parents=True, exist_ok=True)
            return unpacked(_RESULTS / ARCHIVE, home_read())
        except OSError:
            return unpacked(_RESULTS / ARCHIVE, _temporary())
    if not _RESULTS.is_dir():
        raise Damaged(f"{_RESULTS} is missing; {_REMEDY}.")
    return _RESULTS


_ATTEMPTS = 20
"""How often a folder is put in its place, while other processes do the same."""


def is_baseline(folder: Path) -> bool:
    """Whether a folder is that of the shipped records; nothing is unpacked."""
    if not packed():
        return folder.resolve() == _RESULTS.resolve()
    name = _place(_RESULTS / ARCHIVE, Path()).name
    return folder.name == name and folder.resolve().parent in {home_read().resolve(), *_made}


_made: list[Path] = []


def _temporary() -> Path:
    """A folder that is removed when the process ends."""
    if not _made:
        _made.append(Path(tempfile.mkdtemp(prefix="cpbench-")).resolve())
        atexit.register(shutil.rmtree, _made[0], ignore_errors=True)
    return _made[0]


def packed() -> bool:
    """Whether the shipped records are in an archive: then they, and the fingerprints, are never replaced."""
    return (_RESULTS / ARCHIVE).is_file()


def _place(archive: Path, below: Path) -> Path:
    return below / f"baseline-{sha256(archive)[:16]}"


def unpacked(archive: Path, below: Path) -> Path:
    """The folder below ``below`` with the content of an archive; processes that unpack at the same time agree on it.

    Raises Damaged for a file that is no archive, and for one with a path that leads out of the folder.
    """
    folder = _place(archive, below)
    try:
        with ZipFile(archive) as packed:
            files = [_inside(file, archive) for file in packed.infolist()]
            if not _whole(files, folder):
                _unpack(packed, files, folder)
    except BadZipFile as error:
        raise Damaged(f"{archive} is damaged ({error}); {_REMEDY}.") from None
    return folder


def _inside(file: ZipInfo, archive: Path) -> ZipInfo:
    """The file; raises Damaged if its path is absolute or leads upwards, on any system."""
    for path in (PurePosixPath(file.filename), PureWindowsPath(file.filename)):
        if path.anchor or ".." in path.parts:
            raise Damaged(f"{archive} has a file outside of its folder: {file.filename!r}; {_REMEDY}.")
    return file


def _whole(files: list[ZipInfo], folder: Path) -> bool:
    """Whether all files are there with their sizes."""
    try:
        return folder.is_dir() and all((folder / f.filename).stat().st_size == f.file_size for f in files)
    except OSError:
        return False


def _unpack(packed: ZipFile, files: list[ZipInfo], folder: Path) -> None:
    """Unpack under another name, then rename: no process ever sees half of the files."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="baseline-", suffix=".partial") as temporary:
        fresh = Path(temporary) / "new"
        packed.extractall(fresh)
        for attempt in range(_ATTEMPTS):
            try:
                fresh.rename(folder)
                return
            except OSError:
                if _whole(files, folder):  # another process was faster
                    return
                if attempt == _ATTEMPTS - 1:
                    raise
            with suppress(FileNotFoundError):  # what is there is not whole, or another process puts it away too
                folder.rename(Path(temporary) / f"old{attempt}")
