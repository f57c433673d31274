"""Answers to Ctrl-C and SIGTERM."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

BOTH = (signal.SIGINT, signal.SIGTERM)
_AGAIN = 0.05  # seconds between two attempts


@contextmanager
def answered(answer: Callable[..., None]) -> Iterator[None]:
    """Call ``answer`` for both signals inside the block; a signal that was ignored, as in background jobs, stays so."""
    before = {each: signal.getsignal(each) for each in BOTH}
    answer_with(answer)
    try:
        yield
    finally:
        for each in BOTH:
            signal.signal(each, before[each])


def answer_with(answer: Callable[..., None]) -> None:
    """Call ``answer`` for both signals from now on; a signal that is ignored stays so."""
    for each in BOTH:
        if signal.getsignal(each) != signal.SIG_IGN:
            signal.signal(each, answer)


def stopper(patience: float = 10.0) -> Callable[..., None]:
    """An answer that raises KeyboardInterrupt, but not inside an import that began after this call.

    An exception in the C++ of a library that is being loaded aborts the process. So the signal is sent again until the
    import is over, or until ``patience`` seconds have passed.
    """
    outer, begun, pending = _imports(sys._getframe()), list[float](), list[threading.Timer]()

    def again(number: int) -> None:
        pending.clear()
        _send(number)

    def stop(number: int, frame: FrameType | None) -> None:
        begun.append(time.monotonic())
        if _imports(frame) == outer or begun[-1] - begun[0] > patience:
            for timer in pending:
                timer.cancel()
            raise KeyboardInterrupt
        if not pending:
            pending.append(threading.Timer(_AGAIN, again, (number,)))
            pending[0].daemon = True
            pending[0].start()

    return stop


def _send(number: int) -> None:
    """Send a signal to the main thread, which interrupts any call that it waits in."""
    ident = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and ident is not None:
        signal.pthread_kill(ident, number)
    else:
        _thread.interrupt_main(signal.Signals(number))


def _imports(frame: FrameType | None) -> int:
    """The number of frames of the import system, from a frame outwards."""
    stack = traceback.walk_stack(frame) if frame else ()
    return sum(f.f_code.co_filename.startswith("<frozen importlib") for f, _ in stack)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Start processes in this block: Ctrl-C reaches none before it is :func:`deaf`, this process after the block."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # if it started inside, it would lift the mask
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def deaf(*signals: signal.Signals) -> None:
    """Ignore some signals in this process from now on, Ctrl-C by default.

    At the end of a process, Python resets all other answers, and a mask would leave a signal to another thread.
    """
    each = signals or (signal.SIGINT,)
    for one in each:
        signal.signal(one, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, each)
