"""The files of the shipped weights and their checksums. Imports no torch: ``cpbench doctor --quick`` uses it."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..errors import Damaged
from ..hashing import digest, sha256

REMEDY = "reinstall cpbench, or rebuild the weights with 'cpbench pretrain'"


def weights_folder() -> Path:
    """The folder of the shipped weights."""
    return Path(str(files("cpbench.benchmark.toybox"))) / "weights"


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder of weights; raises Damaged if it is missing."""
    file = folder / "manifest.json"
    if not file.is_file():
        raise Damaged(f"{file} is missing; {REMEDY}.")
    manifest: dict[str, Any] = json.loads(file.read_text())
    return manifest


def check_file(file: Path, checksum: str) -> None:
    """Raise Damaged if a file of weights is missing or its SHA-256 differs."""
    if not file.is_file():
        raise Damaged(f"{file} is missing; {REMEDY}.")
    if sha256(file) != checksum:
        raise Damaged(f"{file} does not match its checksum; {REMEDY}.")


def clip_key(checksum: str) -> str:
    """The key of toybox-clip, from the SHA-256 of its weights."""
    return digest(["toybox-clip", checksum])
