"""What a sweep reports while it runs: it loads, plans, starts units, makes progress, and records runs.

A callback that takes these events is all that a progress display needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..plan.costs import Costs
from ..plan.survey import Survey
from ..plan.units import Unit
from ..protocol import Tick

PATIENCE = 10.0
"""Seconds to wait for a unit of another process before reporting which process that is."""
Fate = Literal["done", "failed", "busy", "lost", "refused", "full", "halted"]


@dataclass(frozen=True)
class Preparing:
    """Something takes a while before work begins; ``done`` of ``of`` steps are over if they can be counted."""

    what: str
    done: int = 0
    of: int = 0


@dataclass(frozen=True)
class Planned:
    """The work is planned: how many runs, which units they need, and what those cost.

    ``parts``: the numbers of methods, orders (with lengths) and seeds, if the runs are a grid. ``jobs``: processes that
    share the work, None on a cluster; ``why`` there are as many, if that was not given. ``store``,
    ``out``: the folders of units and of records (None: no records). ``batch``: pictures per training update.
    """

    runs: int
    parts: tuple[int, int, int] | None
    found: Survey
    known: Costs
    jobs: int | None
    batch: int
    store: Path
    out: Path | None
    why: str = ""


@dataclass(frozen=True)
class Warned:
    """Something that a person should read."""

    text: str


@dataclass(frozen=True)
class Noted:
    """A sentence about the plan."""

    text: str


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
    """A unit ended after some ``seconds``. ``error`` gives the reason, unless its fate is ``done``.

    ``busy``: another process computes it; ``lost``: something that it needs is gone or damaged; ``refused`` (bad
    input), ``full`` (the disk) and ``halted`` (the machine refuses something else): no other unit can succeed either.
    ``notes``: what a person should read.
    """

    unit: Unit
    seconds: float
    fate: Fate = "done"
    error: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What another process returned or raised, when it was asked something about its models."""

    value: Any = None
    error: Exception | None = None


@dataclass(frozen=True)
class Awaited:
    """A unit has been under way elsewhere for :data:`PATIENCE` seconds; ``who``: the process that computes it."""

    unit: Unit
    who: str


@dataclass(frozen=True)
class Recorded:
    """The record of a run is at ``path``, written now or unchanged."""

    path: Path


UnitEvent = Started | Ticked | Ended | Awaited
Event = Preparing | Planned | Noted | Warned | Recorded | UnitEvent
OnEvent = Callable[[Event], None]
OnUnitEvent = Callable[[UnitEvent], None]


def ignored(_: Event) -> None:
    """A callback that ignores all events."""


def warning(on_event: OnEvent) -> Callable[[str], None]:
    """A function that reports a sentence as :class:`Warned`."""
    return lambda text: on_event(Warned(text))
