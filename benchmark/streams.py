"""Standard output and standard error: in any encoding, whether or not somebody reads them, without raw controls."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from .wording import printable

PLAIN = dict(zip("−–—·•×↑↓“”„‘’²µ\u00a0", '---.*x^v"""\'\'2u ', strict=True)) | {
    "…": "...",
    "±": "+/-",
    "→": "->",
    "≤": "<=",
    "≥": ">=",
    "λ": "lambda",
    "†": "+",
    "‖": "||",
    "√": "sqrt",
    "Σ": "sum",
    "³": "3",
}
"""What stands for a character that a stream cannot encode; any other one is escaped, e.g. ``\\u732b``."""
_RETRY = 0.01  # seconds until a pipe that is full and does not block is tried again


def _replaced(error: UnicodeError) -> tuple[str, int]:
    """Answer an encoder: the characters that it cannot encode, in ASCII."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in lost), error.end


codecs.register_error("cpbench", _replaced)


def encodable(text: str, encoding: str) -> str:
    """The text as a stream with this encoding will show it."""
    try:
        return text.encode(encoding, "cpbench").decode(encoding)
    except (LookupError, UnicodeError):  # a stream of its own kind, which encodes as it likes
        return text


class Kept(io.RawIOBase):
    """Bytes on their way to a stream: where writing fails, they are dropped and the reason is kept in ``fault``.

    So work goes on where nobody reads any more what it prints, and what it records is whole.
    """

    def __init__(self, stream: Any) -> None:
        self.stream, self.fault = stream, None if stream is not None else OSError()

    def write(self, data: Any, /) -> int:
        """Write all bytes, or drop them."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest and self.fault is None:
                if not (done := self.stream.write(rest)):
                    time.sleep(_RETRY)
                rest = rest[done or 0 :]
            if self.fault is None:
                self.stream.flush()
        except (OSError, ValueError) as error:  # ValueError: the stream was closed
            self.fault = error if isinstance(error, OSError) else OSError(errno.EBADF, os.strerror(errno.EBADF))
        return size

    def writable(self) -> bool:
        """It is, for text streams ask."""
        return True

    def fileno(self) -> int:
        """The number of the file that is written to."""
        return int(self.stream.fileno())

    def isatty(self) -> bool:
        """Whether a person may read at once."""
        return self.stream is not None and bool(self.stream.isatty())

    @property
    def reason(self) -> str | None:
        """Why something was not written, in the words of the system; None for readers that left, e.g. ``head``."""
        left = self.fault is None or self.fault.errno in (None, errno.EPIPE)
        return None if left or self.fault is None else self.fault.strerror


@contextmanager
def streams() -> Iterator[Callable[[], str | None]]:
    """Let both standard streams take any text inside the block; yields what tells why some of it was not written."""
    before, kept = (sys.stdout, sys.stderr), list[Kept]()
    sys.stdout, sys.stderr = (_robust(stream, kept) for stream in before)

    def fault() -> str | None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        return next((each.reason for each in kept if each.reason is not None), None)

    try:
        yield fault
    finally:
        fault()
        sys.stdout, sys.stderr = before


def _robust(stream: TextIO | None, kept: list[Kept]) -> TextIO:
    """A stream that never fails over an open one; one that drops everything where it is closed."""
    buffer = getattr(stream, "buffer", None)
    if stream is not None and buffer is None:  # kept in memory, e.g. by contextlib.redirect_stdout
        return stream
    if stream is not None:
        _flushed(stream)
    kept.append(Kept(getattr(buffer, "raw", buffer)))  # below a buffer, in which lost bytes would wait for the end
    at_once = stream is sys.stderr or bool(getattr(stream, "write_through", False))
    lines = bool(getattr(stream, "line_buffering", False))
    encoding = stream.encoding if stream is not None else "utf-8"
    raw: Any = kept[-1]
    return io.TextIOWrapper(raw, encoding, "cpbench", line_buffering=lines, write_through=at_once)


def _flushed(stream: TextIO) -> None:
    try:
        stream.flush()
    except (OSError, ValueError):
        return


def occupy() -> None:
    """Open standard streams that are closed, as empty ones: files opened later would take their numbers."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)


def say(text: str, *, error: bool = False) -> None:
    """Print lines on standard output, or on standard error, without raw control characters."""
    stream = sys.stderr if error else sys.stdout
    stream.write(printable(text) + "\n")
    stream.flush()
