"""Short hashes of anything: plain data, pictures, files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from .protocol import Pictures


def digest(value: Any) -> str:
    """A short hash (16 hexadecimal digits) of anything that JSON can say."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def picture_hash(pictures: Pictures) -> str:
    """A hash (16 hexadecimal digits) of the shape and the bytes of pictures."""
    return hashlib.sha256(f"{pictures.shape} ".encode() + pictures.tobytes()).hexdigest()[:16]


def sha256(file: Path) -> str:
    """The checksum of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
