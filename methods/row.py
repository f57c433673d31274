"""What a row of the catalogue consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class MethodRow:
    """One named method; ``adapter`` is empty for the base model. ``fixed`` replaces defaults, by section and field.

    ``bound`` marks an upper bound: it sees what the others may not, and does not compete with them. ``inherits`` names
    rows whose tuned values this row takes over, see :mod:`.configure`; of two that have a value, the later one counts.
    """

    name: str
    adapter: str
    consolidations: tuple[str, ...]
    sentence: str
    paper: str
    fixed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    bound: bool = False
    inherits: tuple[str, ...] = ()
