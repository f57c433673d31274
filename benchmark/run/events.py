"""What is told while units are done: they start, progress, wait and end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..plan.units import Unit
from ..protocol import Tick

PATIENCE = 10.0
"""Seconds after which it is told whom a unit is waited for."""


Fate = Literal["done", "failed", "busy", "lost", "refused", "full"]


@dataclass(frozen=True)
class Started:
    """A unit begins."""

    unit: Unit


@dataclass(frozen=True)
class Ticked:
    """Progress inside a unit."""

    unit: Unit
    tick: Tick


@dataclass(frozen=True)
class Ended:
    """A unit ended, after so many seconds. ``error`` says why, unless it is done.

    ``busy``: another process is doing it; ``lost``: something that it needs is gone or damaged; ``refused`` (bad
    input) and ``full`` (the disk): no other unit can succeed either. ``notes``: what a person should read.
    """

    unit: Unit
    seconds: float
    fate: Fate = "done"
    error: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Awaited:
    """A unit is under way elsewhere, and has been for a while; ``who`` does it."""

    unit: Unit
    who: str


Event = Started | Ticked | Ended | Awaited


OnEvent = Callable[[Event], None]
