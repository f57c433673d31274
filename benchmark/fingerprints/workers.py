"""Computes several fingerprints, in this process or in several."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from ..errors import CpbenchError, FailedRun
from ..run.environment import set_threads
from ..run.quiet import quiet_libraries
from ..run.signals import deaf, uninterrupted
from .exact import exact_noise
from .quantities import Book, Quantity

Write = Callable[[Book], None]


@dataclass(frozen=True)
class Made:
    """A fingerprint that was computed: its name, what it holds, and seconds; ``error`` if it could not be computed."""

    name: str
    quantities: dict[str, Quantity]
    seconds: float
    error: str | None = None


def made(name: str, write: Write) -> Made:
    """Compute one fingerprint in this process, with the threads that it has."""
    begun, book = time.perf_counter(), Book()
    try:
        with quiet_libraries(), exact_noise():
            write(book)
    except CpbenchError as error:
        return Made(name, book.quantities, time.perf_counter() - begun, str(error))
    except Exception as error:  # changed code may raise anything; that is what a check is for
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error} ({where.filename}, line {where.lineno})"
        return Made(name, book.quantities, time.perf_counter() - begun, text)
    return Made(name, book.quantities, time.perf_counter() - begun)


def made_by(items: Sequence[tuple[str, Write]], jobs: int) -> Iterator[Made]:
    """Compute fingerprints in ``jobs`` processes of one thread each (1: this one), as they are done.

    What is sent to a process must be picklable. Raises FailedRun if a process dies.
    """
    if jobs == 1 or len(items) == 1:
        yield from (made(name, write) for name, write in items)
        return
    left, workers = list(items), [_spawn() for _ in range(min(jobs, len(items)))]
    try:
        busy = {pipe: _send(pipe, left) for _, pipe in workers}
        while busy:
            for pipe in wait(list(busy)):
                assert isinstance(pipe, Connection)
                yield _receive(pipe, busy.pop(pipe))
                if left:
                    busy[pipe] = _send(pipe, left)
    finally:
        for process, pipe in workers:
            process.terminate()
            process.join()
            pipe.close()


def _send(pipe: Connection, left: list[tuple[str, Write]]) -> str:
    item = left.pop(0)
    pipe.send(item)
    return item[0]


def _receive(pipe: Connection, name: str) -> Made:
    try:
        found: Made = pipe.recv()
    except (EOFError, OSError):
        raise FailedRun(f"the process that computed the fingerprint of {name} has died; try --jobs 1.") from None
    return found


def _spawn() -> tuple[BaseProcess, Connection]:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    with uninterrupted():
        process.start()
    theirs.close()
    return process, ours


def _serve(pipe: Connection) -> None:
    """The loop of a process."""
    deaf()  # Ctrl-C reaches the whole process group; only the parent answers it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    set_threads(1)
    while True:
        try:
            name, write = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(made(name, write))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
