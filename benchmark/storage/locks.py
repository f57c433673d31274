"""Locks that processes of several users share: held by a process, and released by the system when it dies."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from .machine import DENIED

_PAUSE = 0.05  # seconds between two attempts
_WITHOUT = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def holding(file: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of a file, created if missing; raises Timeout if another process holds it, unless it may ``wait``.

    The file of another user is locked through a descriptor that only reads. Raises OSError, with the path and ENOLCK if
    the file system has no locks.
    """
    with ExitStack() as held:
        try:
            held.enter_context(FileLock(file, timeout=-1 if wait else 0))
        except Timeout:
            raise
        except OSError as error:
            if error.errno not in DENIED or not file.exists():
                raise _named(error, file) from None
            held.enter_context(_read_only(file, wait))
        yield


@contextmanager
def _read_only(file: Path, wait: bool) -> Iterator[None]:
    """The same lock without the right to write its file."""
    import fcntl

    handle = os.open(file, os.O_RDONLY)
    try:
        while not _taken(handle, file):
            if not wait:
                raise Timeout(str(file))
            time.sleep(_PAUSE)
        yield
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def _taken(handle: int, file: Path) -> bool:
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno == errno.EBADF:  # NFS locks only what can be written
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file)) from None
        raise _named(error, file) from None
    return True


def _named(error: OSError, file: Path) -> OSError:
    """The error with the path, which those of locks lack."""
    number = errno.ENOLCK if error.errno in _WITHOUT else error.errno
    return OSError(number, os.strerror(number or errno.EIO), str(file))


def held(file: Path) -> bool:
    """Whether a running process holds a lock, as far as this user may know; nothing is written."""
    try:
        if not file.exists():
            return False
        with holding(file, wait=False):
            return False
    except OSError:  # also Timeout; what cannot be known is taken as held, so that nothing of it is removed
        return True
