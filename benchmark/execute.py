"""Runs a plan in this process: units in order, each once; an error costs only the units that depend on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .errors import CpbenchError
from .protocol import Tick
from .runner import Runner
from .units import Unit


@dataclass(frozen=True)
class Started:
    """A unit begins."""

    unit: Unit


@dataclass(frozen=True)
class Ended:
    """A unit ended, after so many seconds; ``error`` says why it failed or was left out."""

    unit: Unit
    seconds: float
    error: str | None = None


Event = Started | Ended | Tick


@dataclass
class Outcome:
    """What became of a plan: the errors of failed units by key."""

    errors: dict[str, str] = field(default_factory=dict)


def execute(units: Mapping[str, Unit], runner: Runner, tell: Callable[[Event], None]) -> Outcome:
    """Do all units that are not there yet, in their order."""
    outcome = Outcome()
    for key, unit in units.items():
        if lost := [need for need in unit.needs if need in outcome.errors]:
            outcome.errors[key] = outcome.errors[lost[0]]
            tell(Ended(unit, 0.0, outcome.errors[key]))
            continue
        tell(Started(unit))
        start = time.perf_counter()
        error = _try(unit, runner, tell)
        if error is not None:
            outcome.errors[key] = error
        tell(Ended(unit, time.perf_counter() - start, error))
    return outcome


def _try(unit: Unit, runner: Runner, tell: Callable[[Event], None]) -> str | None:
    """Do one unit; the sentence of its error where it fails. Bad input stops everything: no other unit can succeed."""
    try:
        runner.do(unit, tell)
    except CpbenchError as error:
        if error.status == 2:
            raise
        return str(error)
    except (RuntimeError, ValueError, ArithmeticError, MemoryError, OSError) as error:
        return f"{unit.title}: {type(error).__name__}: {error}"
    return None
