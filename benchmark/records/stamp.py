"""The part of a record's stamp that may affect the last bits of its numbers."""

from __future__ import annotations

from typing import Any

MADE_ON = "made_on"
"""A key of the stamp: the numerics of units that were made on another machine, or with other packages."""


def numerics(stamp: dict[str, Any]) -> dict[str, Any]:
    """The part of a stamp that may affect the last bits of a number; cpbench's own version is not part of it."""
    packages = {p: v for p, v in stamp.get("packages", {}).items() if p != "cpbench"}
    machine = {k: stamp.get(k) for k in ("python", "platform", "device", "instructions", "blas", "threads")}
    return packages | machine | ({MADE_ON: stamp[MADE_ON]} if MADE_ON in stamp else {})
