"""Whose records: folders of the user's own runs, and the folder of those that cpbench ships."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInput
from ..wording import shown
from .reading import OnFault, read_records
from .result import Result


@dataclass(frozen=True)
class Folders:
    """Folders of records: ``own`` ones, of which the first that holds a run counts, and the ``shipped`` one.

    A run that was also made here stays among the shipped ones, so that their means are those that were published.
    """

    own: tuple[Path, ...]
    shipped: Path | None = None

    @property
    def every(self) -> tuple[Path, ...]:
        """All folders, own ones first."""
        return self.own if self.shipped is None else (*self.own, self.shipped)

    def __str__(self) -> str:
        return " and ".join(map(str, self.every))

    def records(self, on_fault: OnFault) -> Iterator[tuple[Path, Result]]:
        """All sound records, each run once: of a run in several folders, the first folder counts."""
        return read_records(*self.every, on_fault=on_fault)

    def pairs(self, on_fault: OnFault) -> Iterator[tuple[Path, Result, bool]]:
        """All sound records, own ones first, and whether each is to be told apart as a shipped one.

        Without any finished run of the user's own there is nothing to tell apart. Of suites that no own run is of,
        shipped runs are left out.
        """
        suites = set[str]()
        for path, result in read_records(*self.own, on_fault=on_fault):
            if result.status == "ok":
                suites.add(result.run.suite)
            yield path, result, False
        if self.shipped is not None and (not suites or any((self.shipped / name).is_dir() for name in suites)):
            for path, result in read_records(self.shipped, on_fault=on_fault):
                yield path, result, bool(suites)


def check_own_folder(out: Path, suite: str) -> None:
    """Raise BadInput where the file system takes the folder of another suite for that of this one.

    Some systems do so for names that differ in upper and lower case, or in the Unicode form of a letter.
    """
    try:
        same = (out / suite).exists() and suite not in (names := [path.name for path in out.iterdir()])
    except OSError:  # what may not be read is named where records are written
        return
    if same:
        other = next((name for name in names if _folded(name) == _folded(suite)), suite)
        raise BadInput(
            f"{out} has the folder '{shown(other)}', which this file system takes for that of the suite "
            f"'{shown(suite)}'; rename the suite, or choose another folder with --out."
        )


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def folders(where: Folders | Path) -> Folders:
    """Folders as they are, or a single one."""
    return where if isinstance(where, Folders) else Folders((where,))
