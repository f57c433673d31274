"""Reading records: only sound ones reach a reader, and every other file is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import ValidationError

from ..errors import BadInput, explain
from .files import record_files
from .result import Result

OnFault = Callable[[str], None]
"""Called with one sentence per file that is passed over: the file, what is wrong with it, and what is allowed."""


def unheard(_: str) -> None:
    """Pass over faulty files silently."""


def read_result(path: Path) -> Result:
    """Read and check one record; raises BadInput with the reason."""
    try:
        return Result.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}).") from None
    except ValueError as error:
        reason = explain(error) if isinstance(error, ValidationError) else str(error)
        raise BadInput(f"{path}: not a result record ({reason.rstrip('.')}).") from None


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
            else:
                seen.add(path.stem)
                yield path, result
