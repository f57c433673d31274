"""Checkpoints of a task under way: complete, verified, and at a bounded cost."""

from __future__ import annotations

import hashlib
import json
import struct
import time
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load, save
from torch import Tensor

from ..plain_json import json_text
from .phases import Phases

EVERY = 10.0
"""The least number of seconds between two checkpoints."""
SHARE = 0.02
"""The share of the time that checkpoints may take: on a slow disk, or of a large model, they are less frequent."""


class Checkpoints:
    """Checkpoints by phase below ``folder``, each with what ``phases`` has measured.

    The name of a file ends in the checksum of its content: a file that is truncated or changed is ignored.
    """

    def __init__(self, folder: Path, phases: Phases) -> None:
        self.folder, self.phases = folder, phases
        self.last, self.pause = time.monotonic(), EVERY

    def due(self) -> bool:
        """Whether it is time for the next checkpoint."""
        return time.monotonic() - self.last >= self.pause

    def save(self, phase: str, tensors: Mapping[str, Tensor]) -> None:
        """Write a new checkpoint, then remove the previous one."""
        begin = time.monotonic()
        kept = {k: v.detach().contiguous().cpu() for k, v in tensors.items()}
        content: bytes = save(kept, {"measured": json_text(self.phases.measured())})
        self.folder.mkdir(parents=True, exist_ok=True)
        before = list(self.folder.glob(f"{phase}-*.safetensors"))
        file = self.folder / f"{phase}-{_sum(content)}.safetensors"
        partial = file.with_suffix(".partial")
        partial.write_bytes(content)
        partial.replace(file)
        for old in before:
            if old != file:
                old.unlink()
        self.last = time.monotonic()
        self.pause = max(EVERY, (self.last - begin) / SHARE)

    def load(self, phase: str) -> Mapping[str, Tensor] | None:
        """The newest valid checkpoint of a phase, or None; the measurements of the phases continue from it."""
        for file in sorted(
            self.folder.glob(f"{phase}-*.safetensors"), key=lambda f: f.stat().st_mtime_ns, reverse=True
        ):
            try:
                content = file.read_bytes()
            except PermissionError:  # of another user
                continue
            if file.stem == f"{phase}-{_sum(content)}":
                self.phases.resume(_measured(content))
                tensors: Mapping[str, Tensor] = load(content)
                return tensors
        return None


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _measured(content: bytes) -> dict[str, dict[str, float]]:
    """What the phases had measured, from the header of a safetensors file: JSON, after its length in 8 bytes."""
    (length,) = struct.unpack("<Q", content[:8])
    measured: dict[str, dict[str, float]] = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["measured"])
    return measured
