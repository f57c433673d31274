"""The files below a folder of records: which are records, and what is wrong with those that only look like one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

_RECORD = re.compile(r"[0-9a-f]{16}\.json")
_LIKE_ONE = re.compile(r"\.json|\.partial$|\.damaged$|^[0-9a-f]{16}(?!\.webp$)", re.IGNORECASE)
_OTHERS = ("reported", "fingerprints")  # top folders of JSON that is not of runs
_ASIDE = "superseded"  # records that 'cpbench check --update' has replaced
_DEEPEST = 6  # a backup inside a folder of records is found, and a whole disk is not searched
PLACE = "a record's place is <suite>/<method>/<run id>.json"
"""Where a record has to be, in words."""


def record_files(folder: Path, on_fault: Callable[[str], None]) -> list[Path]:
    """The files that are records by name and depth, sorted; ``on_fault`` gets a sentence on every one like them."""
    found = list(named_files(folder))
    for path, fault in found:
        if fault is not None:
            on_fault(f"{path}: {fault}")
    return [path for path, fault in found if fault is None]


def named_files(folder: Path) -> Iterator[tuple[Path, str | None]]:
    """The files that are records by name and depth, ``<suite>/<method>/<run id>.json``, sorted, and others like them.

    The latter come with what is wrong with their names or places: every other file that looks like a record or a part
    of one, and folders that cannot be read. The schema of records, ``reported/``, ``fingerprints/``, ``superseded/``
    and files of other kinds are left out.
    """
    for path, fault in sorted(_files(folder, 1)):
        yield path, fault or _fault(path, len(path.relative_to(folder).parts))


def _files(folder: Path, depth: int) -> Iterator[tuple[Path, str]]:
    """Files that look like records, down to a limited depth; links are followed as far as records are kept.

    Each has an empty text; a folder that cannot be read, e.g. that of another user, has the reason.
    """
    try:
        entries = [(entry, entry.is_dir(follow_symlinks=depth <= 2)) for entry in os.scandir(folder)]
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        yield folder, f"a folder that cannot be read ({error.strerror}); ask its owner for access, or name another."
        return
    for entry, is_folder in entries:
        if is_folder:
            if depth < _DEEPEST and not (entry.name in (_ASIDE, ".git") or (depth == 1 and entry.name in _OTHERS)):
                yield from _files(Path(entry.path), depth + 1)
        elif _LIKE_ONE.search(entry.name) and not (depth == 1 and re.fullmatch(r"schema-\d+\.json", entry.name)):
            yield Path(entry.path), ""


_KINDS = (
    (r"^\..*\.json|^~\$", "a hidden file, as editors and synchronisation leave"),
    (r"~$|^#|\.sw[a-z]$|\.(bak|old|orig|tmp|backup|rej)\b", "a backup of an editor"),
    (r"\.partial$|\.part$|\.crdownload$", "a file that was never written to its end"),
    (r"\.damaged$", "a damaged record that was set aside"),
    (r"\(|copy|conflict|kopie| \d+\.json$|_\d+\.json$", "a copy of a record"),
)
"""What a name tells about a file that is not a record, the first pattern that matches."""


def _fault(path: Path, depth: int) -> str | None:
    """What is wrong with the name or the depth of a file, and what to do; None for a record."""
    if _RECORD.fullmatch(path.name):
        return None if depth == 3 else f"in the wrong folder; {PLACE}. Move it there, or delete it."
    kind = next((k for pattern, k in _KINDS if re.search(pattern, path.name, re.IGNORECASE)), "not the id of a run")
    return f"{kind}, so it is passed over; {PLACE}. Delete it, or move it elsewhere."
