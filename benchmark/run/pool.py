"""Several processes on this machine that compute units, each with its own models, shared out among the GPUs.

The parent process loads no model, and not even torch: what it must know of the models, it asks the first process.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from ..errors import FailedRun
from ..owners import summary
from ..plan.units import Unit
from .events import Answer, Ended, Event, OnEvent, ignored
from .scheduler import Workers
from .session import Recipe, Session
from .signals import deaf, uninterrupted

T = TypeVar("T")

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
    """Computes units in ``jobs`` processes. If a process dies, only its unit is lost, and retried in a new process.

    ``gpus``: how many GPUs the processes share out among them.
    """

    recipe: Recipe
    jobs: int
    workers: list[_Process] = field(default_factory=list)
    gpus: int = 0
    deaths: dict[str, int] = field(default_factory=dict)
    on_event: OnEvent = ignored

    def __enter__(self) -> Pool:
        self.grow(self.jobs)
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def grow(self, jobs: int) -> None:
        """Start processes until there are ``jobs``."""
        self.workers += [spawn(recipe) for recipe in recipes(self.recipe, jobs, self.gpus)[len(self.workers) :]]

    def end(self) -> None:
        """End all processes."""
        for worker in self.workers:
            worker.process.terminate()
        for worker in self.workers:
            worker.process.join()
            worker.pipe.close()
        self.workers = []

    def free(self) -> int:
        """The number of idle processes."""
        return sum(worker.unit is None for worker in self.workers)

    def start(self, unit: Unit, on_event: OnEvent) -> None:
        """Send a unit to an idle process."""
        worker = next(w for w in self.workers if w.unit is None)
        self.on_event, worker.unit, worker.begun = on_event, unit, time.perf_counter()
        _send(worker, unit, unit.title)

    def ask(self, question: Callable[[Any, OnEvent], T], on_event: OnEvent) -> T:
        """What a question about the models returns in the first process, while no process computes a unit.

        Raises what the question raises, and FailedRun if its process ends :data:`TRIES` times.
        """
        self.grow(1)
        for _ in range(TRIES):
            worker = self.workers[0]
            _send(worker, question, "the plan")
            try:
                while not isinstance(found := worker.pipe.recv(), Answer):
                    on_event(found)
            except (EOFError, OSError):
                ended = self._replaced(worker)
                continue
            if found.error is not None:
                raise found.error
            answer: T = found.value
            return answer
        raise FailedRun(f"the process that loads the models ended {TRIES} times {ended}.")

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
        how, unit, died = self._replaced(worker), worker.unit, time.perf_counter()
        assert unit is not None  # only busy processes are waited for
        self.deaths[unit.key] = self.deaths.get(unit.key, 0) + 1
        if self.deaths[unit.key] < TRIES:
            return Ended(unit, died - worker.begun, "busy")
        return Ended(unit, died - worker.begun, "failed", f"{unit.title}: its process ended {TRIES} times {how}.")

    def _replaced(self, worker: _Process) -> str:
        """Start a new process in the place of a dead one; returns how that one ended."""
        worker.process.join()
        self.workers[self.workers.index(worker)] = spawn(worker.recipe)
        code = worker.process.exitcode or 0
        end = f"signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"
        hint = "; probably too little memory: try fewer --jobs" if code == -signal.SIGKILL else ""
        return f"({end}){hint}"


@dataclass
class Remote(Session):
    """A session whose models are in other processes."""

    pool: Pool

    def ask(self, question: Callable[[Any, OnEvent], T], on_event: OnEvent) -> T:
        """Call the function in the first process."""
        return self.pool.ask(question, on_event)

    @contextmanager
    def workers(self, jobs: int) -> Iterator[Workers]:
        """The processes, which stay until the session ends."""
        self.pool.gpus = self.facts.gpus
        self.pool.grow(jobs)
        yield self.pool

    def rest(self) -> None:
        """End the processes."""
        self.pool.end()


def recipes(recipe: Recipe, jobs: int, gpus: int) -> list[Recipe]:
    """The recipe of each process; processes take the GPUs in turn, unless the recipe names one."""
    count = gpus if recipe.device in ("auto", "cuda") else 0
    return [replace(recipe, device=f"cuda:{k % count}") if count else recipe for k in range(jobs)]


def spawn(recipe: Recipe) -> _Process:
    """Start a process that loads the models of a recipe when its first unit or question comes."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(recipe, theirs), daemon=True)
    with uninterrupted():
        process.start()
    theirs.close()
    return _Process(recipe, process, ours)


def _send(worker: _Process, what: Any, title: str) -> None:
    """Send a unit or a question to a process; raises FailedRun if it holds what cannot be sent."""
    try:
        with suppress(OSError):  # whoever waits for the answer finds out if the process died while idle
            worker.pipe.send(what)
    except Exception as error:  # what cannot be pickled raises many types of errors
        raise FailedRun(
            f"{title}: the factory of the method cannot be sent to another process ({summary(error)}); define it by "
            "'def' or 'class' in its module, or give --jobs 1."
        ) from error


def _serve(recipe: Recipe, pipe: Connection) -> None:
    """The loop of a process: compute each unit that comes through the pipe, and answer each question."""
    deaf()  # Ctrl-C reaches the whole process group; only the parent answers it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from .serving import Worker
    from .worker import Throttle

    worker, send = Worker(recipe), Throttle(pipe.send, _PAUSE)
    with suppress(EOFError, BrokenPipeError):
        while True:
            task = pipe.recv()
            pipe.send(worker.answer(task, send) if callable(task) else worker.do(task, send))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
