"""Computes the units of a plan in topological order; an error fails only the units that depend on it."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Protocol

from ..errors import BadInput, FailedRun
from ..plan.units import Unit
from .events import PATIENCE, Awaited, Ended, OnEvent


class Workers(Protocol):
    """What computes units: this process or several."""

    def free(self) -> int:
        """How many more units may be started now."""
        ...

    def start(self, unit: Unit, on_event: OnEvent) -> None:
        """Start a unit; ``on_event`` receives its start and progress."""
        ...

    def finished(self) -> Sequence[Ended]:
        """Units that ended. Waits for a message; returns none if that was only progress."""
        ...


@dataclass
class Outcome:
    """The outcome of a plan: errors of failed units by key, whether units were lost, and how many are left to do."""

    errors: dict[str, str] = field(default_factory=dict)
    lost: bool = False
    left: int = 0

    def note(self, ended: Ended) -> None:
        """Count a unit that ended; raises BadInput or FailedRun if no other unit can succeed either."""
        if ended.fate in ("refused", "full", "halted"):
            raise (BadInput if ended.fate == "refused" else FailedRun)(str(ended.error))
        self.left -= 1
        self.lost |= ended.fate == "lost"
        if ended.error is not None:
            self.errors[ended.unit.key] = ended.error


def execute(workers: Workers, units: Mapping[str, Unit], on_event: OnEvent, deadline: float = math.inf) -> Outcome:
    """Compute all units; start none after ``deadline`` (``time.monotonic``). Raises what would fail every unit."""
    outcome, queue = Outcome(left=len(units)), _Queue(units)
    while queue.active():
        while workers.free() and time.monotonic() < deadline and (unit := queue.take()):
            if lost := [need for need in unit.needs if need in outcome.errors]:
                _settle(Ended(unit, 0.0, "failed", outcome.errors[lost[0]]), queue, outcome, on_event)
            else:
                workers.start(unit, on_event)
        if not queue.running:
            if time.monotonic() >= deadline:
                break
            continue
        for ended in workers.finished():
            _settle(ended, queue, outcome, on_event)
    return outcome


def _settle(ended: Ended, queue: _Queue, outcome: Outcome, on_event: OnEvent) -> None:
    """Count a unit that ended, or put it off if another process computes it."""
    if ended.fate == "busy":
        if queue.put_off(ended.unit) and ended.error:
            on_event(Awaited(ended.unit, ended.error))
    else:
        queue.done(ended.unit)
        outcome.note(ended)
        on_event(ended)


class _Queue:
    """Units in topological order, those of earlier runs first; what other processes compute is retried later."""

    def __init__(self, units: Mapping[str, Unit]) -> None:
        self.units, self.keys = units, list(units)
        self.place = {key: n for n, key in enumerate(self.keys)}
        self.sorter = TopologicalSorter({key: [n for n in u.needs if n in units] for key, u in units.items()})
        self.sorter.prepare()
        self.ready: list[int] = []
        self.later: list[tuple[float, int]] = []
        self.awaited: dict[str, float] = {}
        self.running = 0

    def active(self) -> bool:
        return self.sorter.is_active()

    def take(self) -> Unit | None:
        """The next unit that can be computed; waits only if all that is left is under way elsewhere."""
        for key in self.sorter.get_ready():
            heapq.heappush(self.ready, self.place[key])
        if not self.ready and self.later and not self.running:
            time.sleep(max(0.0, self.later[0][0] - time.monotonic()))
        while self.later and self.later[0][0] <= time.monotonic():
            heapq.heappush(self.ready, heapq.heappop(self.later)[1])
        if not self.ready:
            return None
        self.running += 1
        return self.units[self.keys[heapq.heappop(self.ready)]]

    def put_off(self, unit: Unit, seconds: float = 0.5) -> bool:
        """Retry a unit later; True once, when it has been waited for :data:`PATIENCE` seconds."""
        self.running -= 1
        since = self.awaited.setdefault(unit.key, time.monotonic())
        overdue = time.monotonic() - since >= PATIENCE
        if overdue:
            self.awaited[unit.key] = math.inf
        heapq.heappush(self.later, (time.monotonic() + seconds, self.place[unit.key]))
        return overdue

    def done(self, unit: Unit) -> None:
        self.running -= 1
        self.sorter.done(unit.key)


Executor = Callable[[Mapping[str, Unit], OnEvent, float], Outcome]
"""Computes units, reports their events, and starts none after a deadline (``time.monotonic``)."""
