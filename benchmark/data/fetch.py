"""Data sets to this machine: from mirrors, or from a folder or an archive. A file counts once its checksum is right."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote

from ..errors import BadInput, FailedRun
from ..hashing import digest
from ..storage.locks import holding
from ..suite.folders import is_picture, of_system
from ..suite.spec import data_folder
from ..wording import counted, shown
from .manifest import DataSet, Item, write_lock
from .web import Broken, OnBytes, Wrong, download, failed

_PARTS = ".parts"
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_ROOM = 64 * 2**20
"""How many bytes an archive may have beside the files that are wanted."""


def missing(found: DataSet) -> list[Item]:
    """The files of a data set that are not on this machine, or are others."""
    folder = data_folder(found.name)
    return [item for item in found.files if item.fault(folder)]


def fetch(found: DataSet, mirrors: Sequence[str], on_bytes: OnBytes) -> int:
    """Fetch what is missing of a data set from the first mirror that has it; returns how many files came.

    Another process that fetches the same waits for this one. Raises FailedRun where no mirror has a file.
    """
    with _alone(found.name) as folder:
        wanted = missing(found)
        for item in wanted:
            if item.fault(folder):  # an archive may have brought it
                _fetch_one(item, wanted, mirrors, folder, on_bytes)
        _captions(found, folder)
        shutil.rmtree(folder / _PARTS, ignore_errors=True)
        return len(wanted)


def _fetch_one(item: Item, wanted: Sequence[Item], mirrors: Sequence[str], folder: Path, on_bytes: OnBytes) -> None:
    reasons: dict[str, str] = {}
    for mirror in mirrors:
        try:
            if mirror.endswith("/"):
                part = folder / _PARTS / item.sha256
                download(mirror + quote(item.path), part, item.bytes, item.sha256, on_bytes)
                _place(part, folder / item.path)
            else:
                _from_web_archive(mirror, wanted, folder, on_bytes)
                if item.fault(folder):
                    raise Wrong("the archive does not have it")
            return
        except (Wrong, Broken) as error:
            reasons[mirror] = str(error)
    raise failed(item.path, reasons)


def _from_web_archive(url: str, wanted: Sequence[Item], folder: Path, on_bytes: OnBytes) -> None:
    part = folder / _PARTS / f"{digest(url)}.zip"
    download(url, part, sum(item.bytes for item in wanted) + _ROOM, None, on_bytes)
    if not zipfile.is_zipfile(part):
        part.unlink()
        raise Wrong("it is no ZIP archive")
    take(part, wanted, folder)
    part.unlink()


def fetch_from(found: DataSet, source: Path) -> int:
    """Take a data set from a folder or an archive of the user; returns how many files it has.

    The files of a data set with a list are found by their names and must have its checksums. Of another one, all
    pictures in folders are copied, and listed as its lock. Raises BadInput for what is missing or wrong.
    """
    with _alone(found.name) as folder:
        if not found.files:
            return _copy_own(found, source, folder)
        take(source, missing(found), folder)
        _captions(found, folder)
        if left := missing(found):
            raise BadInput(
                f"--from {shown(source, 300)}: {counted(len(left), 'file')} of {found.name} not there, or other ones, "
                f"such as {left[0].path}; those that are right are kept. The source is {found.source}."
            )
        return len(found.files)


def take(source: Path, wanted: Sequence[Item], folder: Path) -> None:
    """Copy what is wanted from a folder or an archive, as far as it is there with the right content.

    Only files with the names of wanted ones are read, and no more of each than it should have: paths that lead
    elsewhere, links and archives that grow without end have no effect.
    """
    by_end: dict[str, list[Item]] = defaultdict(list)
    for item in wanted:
        by_end[item.path.rpartition("/")[2]].append(item)
    for name, opened in _members(source):
        for item in by_end.get(name.rpartition("/")[2], ()):
            whole = name == item.path or name.endswith(f"/{item.path}")
            if whole and item.fault(folder):
                _take_one(item, opened, folder)


def _take_one(item: Item, opened: Callable[[], IO[bytes] | None], folder: Path) -> None:
    stream = opened()
    if stream is None:
        return
    with stream:
        content = stream.read(item.bytes + 1)
    if len(content) == item.bytes and hashlib.sha256(content).hexdigest() == item.sha256:
        part = folder / _PARTS / item.sha256
        part.write_bytes(content)
        _place(part, folder / item.path)


def _members(source: Path) -> Iterator[tuple[str, Callable[[], IO[bytes] | None]]]:
    """The names of the plain files of a folder or an archive, and what opens each; nothing is written."""
    if source.is_dir():
        for file in sorted(source.rglob("*")):
            if file.is_file() and not file.is_symlink():
                yield file.relative_to(source).as_posix(), lambda file=file: file.open("rb")  # type: ignore[misc]
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    yield member.filename, lambda member=member: archive.open(member)  # type: ignore[misc]
    elif source.is_file() and tarfile.is_tarfile(source):
        with tarfile.open(source) as tar:
            for entry in tar:
                if entry.isfile():
                    yield entry.name, lambda entry=entry: tar.extractfile(entry)  # type: ignore[misc]
    else:
        raise BadInput(f"--from {shown(source, 300)}: give a folder or an archive ({', '.join(_ARCHIVES)}).")


def _copy_own(found: DataSet, source: Path, folder: Path) -> int:
    if not source.is_dir():
        raise BadInput(f"--from {shown(source, 300)}: give the unpacked folder of {found.name}, a folder per concept.")
    for place in sorted(path for path in source.iterdir() if path.is_dir() and not of_system(path.name)):
        for file in sorted(f for f in place.iterdir() if not of_system(f.name) and not f.is_symlink()):
            if is_picture(file) or file.suffix == ".txt":
                part = folder / _PARTS / "copy"
                shutil.copyfile(file, part)
                _place(part, folder / place.name / file.name)
    return len(write_lock(found.name))


def _captions(found: DataSet, folder: Path) -> None:
    for item in found.files:
        if item.caption is not None and (file := folder / item.path).exists():
            file.with_suffix(".txt").write_text(item.caption + "\n", encoding="utf-8")


def _place(part: Path, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part.replace(file)


@contextmanager
def _alone(name: str) -> Iterator[Path]:
    """The folder of a data set, for this process alone; others wait."""
    folder = data_folder(name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with holding(folder.with_name(f".{name}.lock")):
        (folder / _PARTS).mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise FailedRun(f"{folder} is not writable; set CPBENCH_HOME to a folder that you can write.")
        yield folder
