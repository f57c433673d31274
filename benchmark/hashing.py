"""Hashes of plain data, of pictures and of files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from .protocol import Pictures


def digest(value: Any) -> str:
    """A short SHA-256 (16 hexadecimal digits) of JSON data; other values are hashed as their ``str``."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def picture_hash(pictures: Pictures) -> str:
    """A short SHA-256 (16 hexadecimal digits) of the shape and bytes of pictures (n, height, width, 3)."""
    return hashlib.sha256(f"{pictures.shape} ".encode() + pictures.tobytes()).hexdigest()[:16]


def sha256(file: Path) -> str:
    """The SHA-256 of a file (64 hexadecimal digits); raises OSError where it cannot be read."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
