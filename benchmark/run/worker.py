"""How a process computes a unit, and which of its events are passed on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from ..errors import Busy, CpbenchError, Faulty, Lost
from ..plan.units import Unit
from ..storage.machine import FULL, excuse, system_error
from .checked import told
from .events import Ended, Event, Fate, OnEvent, OnUnitEvent, Started, Ticked
from .runner import Runner


class Throttle:
    """Passes on the events of units, but progress at most every ``pause`` seconds."""

    def __init__(self, send: Callable[[Any], object], pause: float) -> None:
        self.send, self.pause, self.last = send, pause, -math.inf

    def __call__(self, event: Event) -> None:
        """Send an event; progress only if the pause is over."""
        if isinstance(event, Ticked):
            if time.monotonic() - self.last < self.pause:
                return
            self.last = time.monotonic()
        self.send(event)


def attempt(unit: Unit, runner: Runner, on_event: OnUnitEvent) -> Ended:
    """Compute a unit, and return how it ended."""
    begin, traceback = time.perf_counter(), runner.store.traceback(unit.key)

    def ended(fate: Fate, error: str | None = None) -> Ended:
        return Ended(unit, time.perf_counter() - begin, fate, error)

    try:
        runner.do(unit, lambda tick: on_event(Ticked(unit, tick)), lambda: on_event(Started(unit)))
    except Busy as error:
        return ended("busy", str(error))
    except Lost as error:
        return ended("lost", str(error))
    except Exception as error:  # a failing plug-in must not stop the other runs
        if isinstance(error, CpbenchError) and not isinstance(error, Faulty):
            return ended("refused" if error.status == 2 else "failed", str(error))
        if found := excuse(error, runner.store.folder.parent):
            return ended(fate_of(error), found)
        return ended("failed", told(error, unit.title, traceback))
    with suppress(OSError):  # of another user
        traceback.unlink()
    return ended("done")


def fate_of(error: Exception) -> Fate:
    """The fate of a unit that the machine did not let succeed."""
    cause = system_error(error)
    return "full" if cause is not None and cause.errno in FULL else "halted"


class Here:
    """Computes units in this process, one after another."""

    def __init__(self, runner: Runner) -> None:
        self.runner, self.ended = runner, list[Ended]()

    def free(self) -> int:
        """1, or 0 while an ended unit has not been collected."""
        return 0 if self.ended else 1

    def start(self, unit: Unit, on_event: OnEvent) -> None:
        """Compute the unit before returning."""
        self.ended.append(attempt(unit, self.runner, on_event))

    def finished(self) -> Sequence[Ended]:
        """The unit that was started."""
        ended, self.ended = self.ended, []
        return ended
