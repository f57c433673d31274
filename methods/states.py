"""How a learner stores tensors: a file per part, or a file per piece of a part that only grows.

The file of a piece is the same in every later state, so that a state is stored as links to the files of the one before
and its own piece: T states take O(T) bytes, not O(T²).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor

_END = ".safetensors"


def write_part(folder: Path, name: str, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors to one file, or none where there are no tensors."""
    if tensors:
        (folder / f"{name}{_END}").write_bytes(_content(tensors))


def write_pieces(folder: Path, name: str, tensors: Mapping[str, Tensor], earlier: Path | None) -> None:
    """Write tensors to a file per piece: what is before the first ``/`` of a key, which must be a name of a file.

    A file that is the same in ``earlier``, the state that was loaded, is linked, not written, where that is possible.
    """
    pieces: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        pieces.setdefault(key.partition("/")[0], {})[key] = tensor
    for piece, own in pieces.items():
        file, content = folder / name / f"{piece}{_END}", _content(own)
        file.parent.mkdir(exist_ok=True)
        file.unlink(missing_ok=True)  # saved here before, it may be a link: what it leads to must not be written
        if earlier is None or not _linked(earlier / name / file.name, file, content):
            file.write_bytes(content)


def read_part(folder: Path, name: str, device: torch.device) -> dict[str, Tensor]:
    """The tensors of a part, in the order of their names whatever the files; empty if there are none."""
    files = [folder / f"{name}{_END}", *(folder / name).glob(f"*{_END}")]
    found = [load_file(file, device=str(device)) for file in files if file.exists()]
    return {key: w for tensors in sorted(found, key=lambda t: next(iter(t))) for key, w in tensors.items()}


def _content(tensors: Mapping[str, Tensor]) -> bytes:
    """The bytes of a file. Not save_file: on a full disk it raises an error other than OSError."""
    content: bytes = save({k: v.contiguous().cpu() for k, v in tensors.items()})
    return content


def _linked(earlier: Path, file: Path, content: bytes) -> bool:
    """Make ``file`` a hard link to an earlier one, if that has this content."""
    try:
        if earlier.read_bytes() != content:
            return False
        os.link(earlier, file)
    except OSError:  # it is not there, or another user's, or the file system has no hard links
        return False
    return True
