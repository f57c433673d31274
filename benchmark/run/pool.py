"""Several processes of this machine that do units, each with models of its own; one a GPU where there are any."""

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

from ..plan.units import Unit
from .events import Ended, Event, OnEvent
from .session import Recipe
from .signals import deaf, uninterrupted
from .worker import Throttle, Worker

TRIES = 3
"""How often a unit is begun before its process's death counts as its failure."""
_PAUSE = 0.1  # seconds between two messages of progress


@dataclass
class _Process:
    """A process, the pipe to it, and what it is doing."""

    recipe: Recipe
    process: BaseProcess
    pipe: Connection
    unit: Unit | None = None
    begun: float = 0.0


@dataclass
class Pool:
    """Does units in ``jobs`` processes. A process that dies costs only its unit, which is tried again in a new one."""

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
        """Processes with nothing to do."""
        return sum(worker.unit is None for worker in self.workers)

    def start(self, unit: Unit, on_event: OnEvent) -> None:
        """Hand a unit to an idle process."""
        worker = next(w for w in self.workers if w.unit is None)
        self.on_event, worker.unit, worker.begun = on_event, unit, time.perf_counter()
        with suppress(OSError):  # one that died while idle is found dead by finished()
            worker.pipe.send(unit)

    def finished(self) -> Sequence[Ended]:
        """Wait for messages; hand on what is progress, and return what ended."""
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
        """Replace a dead process, and let its unit be tried again."""
        worker.process.join()
        unit, died = worker.unit, time.perf_counter()
        self.workers[self.workers.index(worker)] = spawn(worker.recipe)
        assert unit is not None  # only busy ones are listened to
        self.deaths[unit.key] = self.deaths.get(unit.key, 0) + 1
        if self.deaths[unit.key] < TRIES:
            return Ended(unit, died - worker.begun, "busy")
        code = worker.process.exitcode or 0
        end = f"signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"
        hint = "; most likely there is too little memory, so try fewer --jobs" if code == -signal.SIGKILL else ""
        return Ended(
            unit, died - worker.begun, "failed", f"{unit.title}: its process ended {TRIES} times ({end}){hint}."
        )


def recipes(recipe: Recipe, jobs: int) -> list[Recipe]:
    """The recipe of each process: on GPUs, one after another in turn."""
    automatic = recipe.device in ("auto", "cuda") and torch.cuda.is_available()
    count = torch.cuda.device_count() if automatic else 0
    return [replace(recipe, device=f"cuda:{k % count}") if count else recipe for k in range(jobs)]


def spawn(recipe: Recipe) -> _Process:
    """Start a process that loads what the recipe says when its first unit comes."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(recipe, theirs), daemon=True)
    with uninterrupted():
        process.start()
    theirs.close()
    return _Process(recipe, process, ours)


def _serve(recipe: Recipe, pipe: Connection) -> None:
    """The life of a process: do what comes through the pipe; the models are loaded for the first of it."""
    deaf()  # Ctrl-C goes to the whole group; only the parent answers it
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
