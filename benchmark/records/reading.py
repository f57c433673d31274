"""Reading records: only sound ones reach a reader, and every other file is named."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ..errors import BadInput
from ..wording import counted, shown
from .files import PLACE, named_files
from .keys import repeated_key
from .result import Result, result_path
from .validation import faults_of

OnFault = Callable[[str], None]
"""Called with one sentence per file that is passed over: the file, what is wrong with it, and what is allowed."""


def unheard(_: str) -> None:
    """Pass over faulty files silently."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A file that is, or looks like, a record: what it holds, or else everything that is wrong with it.

    A fault is a sentence: the place in the file, what is there, and what is allowed.
    """

    path: Path
    result: Result | None
    faults: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The file and its first fault."""
        more = f" ({counted(len(self.faults) - 1, 'more fault')}: cpbench validate FILE)" if self.faults[1:] else ""
        return f"{self.path}: {self.faults[0]}{more}"


def examine(path: Path) -> Examined:
    """A record by itself, wherever it is kept."""
    try:
        text = path.read_bytes()
        result = Result.model_validate_json(text, strict=True)
    except OSError as error:
        return Examined(path, None, (f"cannot be read ({error.strerror}).",))
    except ValidationError as error:
        return Examined(path, None, tuple(_sentence(one) for one in error.errors(include_url=False)))
    if wrong := repeated_key(text, result):
        return Examined(path, None, (f"{wrong}; restore the file, or re-run.",))
    faults = tuple(faults_of(result))
    return Examined(path, None if faults else result, faults)


def examined(folder: Path, seen: Container[str] = ()) -> Iterator[Examined]:
    """Every file below a folder that is, or looks like, a record, without the runs whose ids are in ``seen``."""
    for path, fault in named_files(folder):
        if fault is not None:
            yield Examined(path, None, (fault,))
        elif path.stem not in seen:
            found = examine(path)
            yield placed(found)


def placed(found: Examined) -> Examined:
    """The same, or a fault where its folders, ``<suite>/<method>``, or its name are not those of its run."""
    if found.result is None:
        return found
    folder = found.path.parents[2]
    place = result_path(folder, found.result.run)
    if place == found.path:
        return found
    if place.name != found.path.name:
        fault = f"its run has the id {place.stem}, so it was changed, renamed or copied; restore it, or delete it."
    else:
        there = "holds a record" if place.exists() else "is free"
        fault = f"in the wrong folder; {PLACE}, and {place.relative_to(folder)} {there}. Move it there, or delete it."
    return Examined(found.path, None, (fault,))


def read_result(path: Path) -> Result:
    """Read and check one record; raises BadInput with the first fault, its place, and what is allowed."""
    found = examine(path)
    if found.result is None:
        raise BadInput(str(found))
    return found.result


def _sentence(error: ErrorDetails) -> str:
    """What pydantic found, with its JSON path."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"])
    place = "".join(parts).lstrip(".") or "the record"
    if error["type"] == "missing":
        return f"{place} is missing."
    if error["type"] == "extra_forbidden":
        return f"{place} is unknown to this version; remove it, or update cpbench."
    if error["loc"] == ("schema",):
        return f"schema is {error['input']}; this version reads schema 1. Update cpbench."
    if error["type"] == "json_invalid":
        return f"not JSON that ends ({error['ctx']['error']}); restore the file, or re-run."
    return f"{place} is {shown(error['input'], 40)}; {error['msg'].lower()}."


def read_records(*folders: Path, on_fault: OnFault) -> Iterator[tuple[Path, Result]]:
    """The sound records below some folders, one by one in the order of their paths, each run once.

    Of a run that several folders hold, the first folder counts. ``on_fault`` is called for every file that is passed
    over: damaged, impossible, copied or misplaced ones. Folders that do not exist hold no records.
    """
    seen = set[str]()
    for folder in folders:
        for found in examined(folder, frozenset(seen)):
            if found.result is None:
                on_fault(str(found))
            else:
                seen.add(found.path.stem)
                yield found.path, found.result
