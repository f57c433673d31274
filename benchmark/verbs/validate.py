"""``cpbench.validate``: what is wrong with files of records, and which of their scores are unlikely."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInput
from ..records.reading import Examined, examine, examined
from ..records.validation import flags_of


@dataclass(frozen=True)
class Finding:
    """A sentence on a file: the place in it, what is there, and what is allowed."""

    file: Path
    sentence: str


@dataclass(frozen=True)
class Validation:
    """What was found: ``sound`` records, the ``faults`` of others, and ``notes`` on sound ones."""

    sound: int
    faults: list[Finding]
    notes: list[Finding]

    @property
    def faulty(self) -> int:
        """The number of files with a fault; readers pass over them."""
        return len({fault.file for fault in self.faults})


def validate(*paths: str | Path, on_file: Callable[[Path], None] = lambda _: None) -> Validation:
    """Examine records, given as files or as folders of them, as every command does that reads records.

    A record is faulty where a value is impossible, a position or a concept is not of its run, a value is there twice,
    its status, scores and costs contradict each other, or its id is not that of its run. Below a folder, copies,
    backups, partial files and records in the wrong folder are faults too; a file that is given by itself may be
    anywhere. A score above its ceiling by more than the number of pictures explains is a note, not a fault. on_file:
    called with each file after it is examined.

    Raises BadInput for a path that does not exist, and for a folder without records.
    """
    sound, faults, notes = 0, list[Finding](), list[Finding]()
    for found in (one for path in paths for one in _examined(Path(path))):
        faults += [Finding(found.path, fault) for fault in found.faults]
        if found.result is not None:
            sound += 1
            notes += [Finding(found.path, note) for note in flags_of(found.result)]
        on_file(found.path)
    return Validation(sound, faults, notes)


def _examined(path: Path) -> Iterator[Examined]:
    if not path.exists():
        raise BadInput(f"{path} does not exist; name a record or a folder of records.")
    if not path.is_dir():
        yield examine(path)
        return
    empty = True
    for found in examined(path):
        empty = False
        yield found
    if empty:
        raise BadInput(f"{path} holds no records; make some with 'cpbench run', or name another folder.")
