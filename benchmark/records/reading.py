"""Reading records: only sound ones reach a reader, and every other file is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ..errors import BadInput
from ..wording import counted
from .files import PLACE, record_files
from .result import Result, result_path
from .validation import faults_of

OnFault = Callable[[str], None]
"""Called with one sentence per file that is passed over: the file, what is wrong with it, and what is allowed."""


def unheard(_: str) -> None:
    """Pass over faulty files silently."""


def read_result(path: Path) -> Result:
    """Read and check one record; raises BadInput with the first fault, its place, and what is allowed."""
    try:
        return _checked(path)
    except _Faulty as fault:
        raise BadInput(str(fault)) from None


def faults_in(path: Path) -> list[str]:
    """Every fault of a record, one sentence each that begins with the file; empty for a sound one."""
    try:
        _checked(path)
    except _Faulty as fault:
        return [f"{path}: {sentence}" for sentence in fault.sentences]
    return []


class _Faulty(Exception):
    """A file that is not a sound record, and why."""

    def __init__(self, path: Path, sentences: list[str]) -> None:
        more = f" ({counted(len(sentences) - 1, 'more fault')}: see 'cpbench validate')" if sentences[1:] else ""
        super().__init__(f"{path}: not a sound record: {sentences[0]}{more}")
        self.sentences = sentences


def _checked(path: Path) -> Result:
    try:
        result = Result.model_validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        raise _Faulty(path, [f"it cannot be read ({error.strerror})."]) from None
    except ValidationError as error:
        raise _Faulty(path, [_sentence(one) for one in error.errors(include_url=False)]) from None
    if faults := list(faults_of(result)):
        raise _Faulty(path, faults)
    return result


def _sentence(error: ErrorDetails) -> str:
    """What pydantic found, with its JSON path."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).lstrip(".")
    if error["type"] == "missing":
        return f"{place} is missing."
    if error["type"] == "extra_forbidden":
        return f"{place} is unknown to this version; remove it, or update cpbench."
    if error["loc"] == ("schema",):
        return f"schema is {error['input']}; this version reads schema 1. Update cpbench."
    if error["type"] == "json_invalid":
        return f"{error['msg'].lower().replace('json', 'JSON')}; restore the file, or re-run."
    return f"{place} is {str(error['input'])[:40]}; {error['msg'].lower()}."


def read_records(*folders: Path, on_fault: OnFault) -> Iterator[tuple[Path, Result]]:
    """The sound records below some folders, one by one in the order of their paths, each run once.

    Of a run that several folders hold, the first folder counts. ``on_fault`` is called for every file that is passed
    over: damaged, impossible, copied or misplaced ones. Folders that do not exist hold no records.
    """
    seen = set[str]()
    for folder in folders:
        for path in record_files(folder, on_fault):
            if path.stem in seen:
                continue
            try:
                result = read_result(path)
            except BadInput as fault:
                on_fault(str(fault))
                continue
            if (elsewhere := misplaced(folder, path, result)) is not None:
                on_fault(elsewhere)
                continue
            seen.add(path.stem)
            yield path, result


def misplaced(folder: Path, path: Path, result: Result) -> str | None:
    """What is wrong with where a record is below a folder, or None."""
    place = result_path(folder, result.run)
    if place == path:
        return None
    if place.name != path.name:
        return f"{path}: its run has the id {place.stem}, so it was changed, renamed or copied; restore or delete it."
    there = f"{place.relative_to(folder)} is {'also there' if place.exists() else 'free'}"
    return f"{path}: in the wrong folder; {PLACE} ({there}). Move it there, or delete it."
