"""Hashes of plain data, of pictures and of files."""

from __future__ import annotations

import hashlib
import math
import re
from numbers import Real
from pathlib import Path
from typing import Any

from .errors import BadInput
from .plain_json import Unwritable, json_text
from .protocol import Pictures

_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")


def digest(value: Any) -> str:
    """A short SHA-256 (16 hexadecimal digits) of JSON data; other values are hashed as their ``str``.

    Raises BadInput for a number that is not finite, and for an object whose ``str`` has its address in memory, which
    would give another hash in every process.
    """
    try:
        text = json_text(value, sort_keys=True, ensure_ascii=False, default=_text)
    except Unwritable as error:
        raise BadInput(f"{error.clause}; give another value.") from None
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _text(value: Any) -> str:
    text = str(value)
    if isinstance(value, Real) and not math.isfinite(value):
        raise BadInput(f"a number of type {type(value).__name__} is {text} and cannot be hashed; give a finite one.")
    if _ADDRESS.search(text):
        raise BadInput(
            f"a value of type {type(value).__name__} cannot be hashed, because its text has an address in memory, "
            "which differs from process to process; give numbers, texts and lists."
        )
    return text


def picture_hash(pictures: Pictures) -> str:
    """A short SHA-256 (16 hexadecimal digits) of the shape and bytes of pictures (n, height, width, 3)."""
    return hashlib.sha256(f"{pictures.shape} ".encode() + pictures.tobytes()).hexdigest()[:16]


def sha256(file: Path) -> str:
    """The SHA-256 of a file (64 hexadecimal digits); raises OSError where it cannot be read."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
