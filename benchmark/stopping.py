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
