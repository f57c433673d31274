"""Several processes on this machine that compute units, each with its own models, shared out among the GPUs."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import torch

from ..errors import FailedRun
from ..owners import summary
from ..plan.units import Unit
from .events import Ended, Event, OnEvent
from .session import Recipe
from .signals import deaf, uninterrupted
from .worker import Throttle, Worker

TRIES = 3
"""Attempts at a unit; if its process dies at each of them, the unit has failed."""
_PAUSE = 0.1  # seconds between two messages of progress


@dataclass
class _Process:
    """A process, the pipe to it, and the unit it computes."""

    recipe: Recipe
    process: BaseProcess
    pipe: Connection
    unit: Unit | None = None
    begun: float = 0.0


@dataclass
class Pool:
    """Computes units in ``jobs`` processes. If a process dies, only its unit is lost, and retried in a new process."""

    recipe: Recipe
    jobs: int
    workers: list[_Process] = field(default_factory=list)
    deaths: dict[str, int] = field(default_factory=dict)
    on_event: OnEvent = lambda event: None

    def __enter__(self) -> Pool:
        self.workers = [spawn(recipe) for recipe in recipes(self.recipe, self.jobs)]
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.process.terminate()
        for worker in self.workers:
            worker.process.join()
            worker.pipe.close()

    def free(self) -> int:
        """The number of idle processes."""
        return sum(worker.unit is None for worker in self.workers)

    def start(self, unit: Unit, on_event: OnEvent) -> None:
        """Send a unit to an idle process."""
        worker = next(w for w in self.workers if w.unit is None)
        self.on_event, worker.unit, worker.begun = on_event, unit, time.perf_counter()
        try:
            with suppress(OSError):  # finished() finds out if the process died while idle
                worker.pipe.send(unit)
        except Exception as error:  # what cannot be pickled raises many types of errors
            raise FailedRun(
                f"{unit.title}: the factory of the method cannot be sent to another process ({summary(error)}); define "
                "it by 'def' or 'class' in its module, or omit --jobs."
            ) from error

    def finished(self) -> Sequence[Ended]:
        """Wait for messages, pass on progress, and return the units that ended."""
        busy = {worker.pipe: worker for worker in self.workers if worker.unit is not None}
        heard = (self._hear(busy[pipe]) for pipe in wait(list(busy)) if isinstance(pipe, Connection))
        return [ended for ended in heard if ended is not None]

    def _hear(self, worker: _Process) -> Ended | None:
        try:
            event: Event = worker.pipe.recv()
        except (EOFError, OSError):
            return self._bury(worker)
        if isinstance(event, Ended):
            worker.unit = None
            return event
        self.on_event(event)
        return None

    def _bury(self, worker: _Process) -> Ended | None:
        """Replace a dead process; its unit is retried until it has had :data:`TRIES` attempts."""
        worker.process.join()
        unit, died = worker.unit, time.perf_counter()
        self.workers[self.workers.index(worker)] = spawn(worker.recipe)
        assert unit is not None  # only busy processes are waited for
        self.deaths[unit.key] = self.deaths.get(unit.key, 0) + 1
        if self.deaths[unit.key] < TRIES:
            return Ended(unit, died - worker.begun, "busy")
        code = worker.process.exitcode or 0
        end = f"signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"
        hint = "; probably too little memory: try fewer --jobs" if code == -signal.SIGKILL else ""
        return Ended(
            unit, died - worker.begun, "failed", f"{unit.title}: its process ended {TRIES} times ({end}){hint}."
        )


def recipes(recipe: Recipe, jobs: int) -> list[Recipe]:
    """The recipe of each process; processes take the GPUs in turn."""
    automatic = recipe.device in ("auto", "cuda") and torch.cuda.is_available()
    count = torch.cuda.device_count() if automatic else 0
    return [replace(recipe, device=f"cuda:{k % count}") if count else recipe for k in range(jobs)]


def spawn(recipe: Recipe) -> _Process:
    """Start a process that loads the models of a recipe when its first unit comes."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(recipe, theirs), daemon=True)
    with uninterrupted():
        process.start()
    theirs.close()
    return _Process(recipe, process, ours)


def _serve(recipe: Recipe, pipe: Connection) -> None:
    """The loop of a process: compute each unit that comes through the pipe."""
    deaf()  # Ctrl-C reaches the whole process group; only the parent answers it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    worker_ = Worker(recipe)
    with suppress(EOFError, BrokenPipeError):
        while True:
            pipe.send(worker_.do(pipe.recv(), Throttle(pipe.send, _PAUSE)))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
