"""A process that computes units for another one; it loads its models when its first unit or question comes."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from multiprocessing.reduction import ForkingPickler
from typing import Any

from ..errors import CpbenchError, FailedRun
from ..owners import summary
from ..plan.units import Unit
from ..storage.machine import before_work, excuse
from .events import Answer, Ended, OnEvent, OnUnitEvent, warning
from .opening import Opened, load
from .quiet import quiet_libraries
from .session import Recipe
from .worker import attempt, fate_of


@dataclass
class Worker:
    """The models of one process, and the warnings since its last unit."""

    recipe: Recipe
    session: Opened | None = None
    notes: list[str] = field(default_factory=list)

    def answer(self, question: Callable[[Opened, OnEvent], Any], on_event: OnEvent) -> Answer:
        """What a question about the models returned or raised; at the first one, they are loaded with all remarks."""
        try:
            with quiet_libraries(), before_work(self.recipe.home):
                if self.session is None:
                    self.session = load(self.recipe, self.notes.append, warning(on_event))
                return Answer(question(self.session, on_event))
        except Exception as error:
            return Answer(error=_sendable(error))

    def do(self, unit: Unit, on_event: OnUnitEvent) -> Ended:
        """Compute a unit, and return how it ended, with the warnings meanwhile."""
        with quiet_libraries():
            ended = self._do(unit, on_event)
        notes, self.notes[:] = tuple(self.notes), []
        return replace(ended, notes=notes)

    def _do(self, unit: Unit, on_event: OnUnitEvent) -> Ended:
        try:
            self.session = self.session or load(self.recipe, self.notes.append)
        except CpbenchError as error:
            return Ended(unit, 0.0, "refused" if error.status == 2 else "failed", str(error))
        except (RuntimeError, OSError, MemoryError) as error:
            if found := excuse(error, self.recipe.home):
                return Ended(unit, 0.0, fate_of(error), found)
            return Ended(unit, 0.0, "failed", f"the model cannot be loaded: {type(error).__name__}: {error}")
        return attempt(unit, self.session.runner, on_event)


def _sendable(error: Exception) -> Exception:
    """The error itself, with its traceback as a note unless it is one of cpbench; in words if it cannot be sent."""
    try:
        ForkingPickler.loads(ForkingPickler.dumps(error))
    except Exception:  # of a class with arguments of its own, say
        return FailedRun(f"{summary(error)}.")
    if not isinstance(error, CpbenchError):
        error.add_note("".join(traceback.format_exception(error)))
    return error
