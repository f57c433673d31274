"""JSON that every reader takes: the one writer and the one reader of plain data.

Python's own writer puts ``NaN`` and ``Infinity`` into JSON, which other readers refuse, and its reader takes the last
of two equal keys. A house test holds every module to the functions of this one.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .errors import FailedRun
from .wording import shown


class Unwritable(FailedRun):
    """Data that JSON cannot hold; ``clause`` is what is wrong with it."""

    def __init__(self, clause: str) -> None:
        super().__init__(f"{clause}; it is not written.")
        self.clause = clause


def json_text(
    value: Any,
    *,
    indent: int | None = None,
    sort_keys: bool = False,
    ensure_ascii: bool = True,
    default: Callable[[Any], Any] | None = None,
) -> str:
    """JSON of plain data; ``default`` turns other values into plain ones.

    Raises Unwritable for a number that is not finite, with its place, and for data nested too deeply.
    """
    try:
        return json.dumps(
            value, indent=indent, sort_keys=sort_keys, ensure_ascii=ensure_ascii, default=default, allow_nan=False
        )
    except RecursionError:
        raise Unwritable("data nested too deeply for JSON") from None
    except ValueError:
        found = next(not_finite(value), None)
        if found is None:  # a cycle
            raise
        raise Unwritable(f"{found} is not finite, and JSON has finite numbers only") from None


def write_json(
    path: Path, value: Any, *, indent: int | None = 1, sort_keys: bool = False, ensure_ascii: bool = True
) -> None:
    """Write JSON with a newline at its end, whole or not at all. Raises Unwritable as :func:`json_text` does."""
    write_whole(path, json_text(value, indent=indent, sort_keys=sort_keys, ensure_ascii=ensure_ascii) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a file in UTF-8, whole or not at all; its folder is created if missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def parse_json(text: str | bytes) -> Any:
    """Plain data of JSON.

    Raises ValueError, in words that go on after a file's name, for what is not JSON: for an object with a key twice,
    numbers that are not finite, whole numbers of thousands of digits, and data nested too deeply too.
    """
    try:
        return json.loads(text, object_pairs_hook=_distinct, parse_constant=_refused, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def not_finite(value: Any, place: str = "") -> Iterator[str]:
    """The places of numbers that are not finite in plain data, such as ``trials[0].value``."""
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{place or 'the value'} ({value})"
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from not_finite(part, f"{place}.{shown(key)}".lstrip("."))
    elif isinstance(value, list | tuple):
        for k, part in enumerate(value):
            yield from not_finite(part, f"{place}[{k}]")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in found if keys.count(key) > 1)
        raise ValueError(f"the key '{shown(twice)}' is there twice in one object")
    return found


def _refused(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {shown(text, 40)} is too large")
    return value
