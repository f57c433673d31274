"""What answers Ctrl-C and SIGTERM."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def answered(answer: Callable[..., None]) -> Iterator[None]:
    """Let ``answer`` be called for both signals; one that is ignored, as in the background of a script, stays so."""
    both = (signal.SIGINT, signal.SIGTERM)
    before = {each: signal.getsignal(each) for each in both}
    for each in both:
        if before[each] != signal.SIG_IGN:
            signal.signal(each, answer)
    try:
        yield
    finally:
        for each in both:
            signal.signal(each, before[each])


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Start processes that Ctrl-C cannot reach before they are :func:`deaf` to it; here it is answered at the end."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # else it starts inside, and lifts the mask
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def deaf() -> None:
    """Ignore Ctrl-C in this process from now on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
