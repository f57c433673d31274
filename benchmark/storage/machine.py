"""Errors that are the machine's and not a run's: permissions, disks, limits of the system, lost file systems.

This module alone decides which errors of the system these are, and phrases them: the path, whose it is, and what to do.
"""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import BadInput, CpbenchError, FailedRun, Faulty

FULL = (errno.ENOSPC, errno.EDQUOT)
DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_LIMIT = (errno.EMFILE, errno.ENFILE)
_AWAY = (errno.ESTALE, errno.ENOTCONN, errno.EREMOTEIO, errno.EHOSTDOWN, errno.ENODEV)
_GONE = (errno.ENOENT, errno.ENOTDIR)
_AGAIN = "then run the same command again"


def system_error(error: BaseException | None) -> OSError | None:
    """The error of the system behind an error: itself or its cause; libraries in Rust give its number only as text."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error
        if found := re.search(r"\(os error (\d+)\)", _text(error)):
            return OSError(int(found[1]), os.strerror(int(found[1])))
        error = error.__cause__
    return None


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # an exception of a plug-in may fail at anything
        return ""


def excuse(error: BaseException, home: Path) -> str | None:
    """One sentence on an error that is the machine's, with what to do; None for one that is the work's own.

    ``home``: the folder of units and caches. What a method opens elsewhere is the method's own affair.
    """
    found = system_error(error)
    if found is None:
        return None
    if found.errno in _GONE:
        return _removed(path_of(found), home, found) if _vanished(path_of(found), home) else None
    return sentence(found, home) if _machines(found, home, plugin=isinstance(error, Faulty)) else None


def _machines(error: OSError, home: Path, *, plugin: bool) -> bool:
    """Whether the work is not to blame."""
    if error.errno in (*FULL, *_LIMIT, errno.ESTALE, errno.ENOLCK):
        return True
    path = path_of(error)
    ours = not plugin or path is None or any(_below(path, folder) for folder in (home, *_temporary()))
    return ours and error.errno in (*DENIED, *_AWAY, errno.ENAMETOOLONG)


def _temporary() -> list[Path]:
    """The folder of temporary files, if there is a usable one."""
    with suppress(OSError):
        return [Path(tempfile.gettempdir())]
    return []


def _vanished(path: Path | None, home: Path) -> bool:
    """Whether the store, or the unit that a path is in, is no longer there, although the work needs it."""
    units = home / "units"
    with suppress(OSError):
        if not units.is_dir():
            return True
        return path is not None and _below(path, units) and not (units / path.relative_to(units).parts[0]).exists()
    return False


def _removed(path: Path | None, home: Path, error: OSError) -> str:
    what = path if path is not None and _below(path, home) else home / "units"
    return f"{what} was removed by someone else ({error.strerror}); see that {home} is there, {_AGAIN}."


def _below(path: Path, folder: Path) -> bool:
    return path != folder and path.is_relative_to(folder)


def path_of(error: OSError) -> Path | None:
    """The path that an error of the system names."""
    name = error.filename
    return Path(os.fsdecode(name)).absolute() if isinstance(name, str | bytes) else None


def sentence(error: OSError, home: Path) -> str:
    """Any error of the system in one sentence: the path, whose it is, and what to do."""
    path, number = path_of(error), error.errno
    what = "a file" if path is None else str(path)
    reason = error.strerror or type(error).__name__
    inside = path is not None and (path == home or _below(path, home))
    if number in FULL:
        room = "no space left" if number == errno.ENOSPC else "your quota of the disk is used up, so no space left"
        where = f"in {home}" if path is None or inside else f"for {path}"
        return f"{room} {where}; free some ('cpbench gc'), {_AGAIN}."
    if number in DENIED:
        elsewhere = "set CPBENCH_HOME to a folder of your own" if inside else "choose a folder of your own"
        owner = whose(path)
        ask = "" if number == errno.EROFS else "ask for access, or "
        return f"{what} cannot be used ({reason}{owner}); {ask}{elsewhere}, {_AGAIN}."
    if number in _LIMIT:
        return f"{what} cannot be opened ({reason}); allow more with 'ulimit -n 4096', {_AGAIN}."
    if number == errno.ENAMETOOLONG:
        shorter = "set CPBENCH_HOME to a shorter path" if inside else "choose a shorter one"
        return f"{what} cannot be used ({reason}); {shorter}, {_AGAIN}."
    if number == errno.ENOLCK:
        disk = "set CPBENCH_HOME to a folder on a disk that has locks, e.g. a local one"
        return f"{what} cannot be locked on its file system ({reason}); {disk}, {_AGAIN}."
    if number in _AWAY:
        return f"{what} cannot be reached ({reason}); see that its file system is mounted, {_AGAIN}."
    if number in _GONE and inside:
        return _removed(path, home, error)
    return f"{what} cannot be used ({reason}{whose(path)}); mend that, {_AGAIN}."


def whose(path: Path | None) -> str:
    """To whom a path belongs, or the folder above it that keeps this user out; nothing if that is unknown."""
    for one in (path, *path.parents) if path is not None and hasattr(os, "geteuid") else ():
        with suppress(OSError):
            uid, mode = one.stat().st_uid, one.stat().st_mode & 0o7777
            if os.access(one, os.R_OK | os.W_OK | (os.X_OK if one.is_dir() else 0)):
                continue
            which = "it" if one == path else str(one)
            owner = "yours" if uid == os.geteuid() else f"{_user(uid)}'s"
            return f"; {which} is {owner}, with mode {mode:04o}"
    return ""


def _user(uid: int) -> str:
    """The name of a user, or the number of one that this machine does not know."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


@contextmanager
def before_work(home: Path) -> Iterator[None]:
    """Turn errors of the machine into BadInput: nothing was computed yet. A full disk, and missing files, pass."""
    with _as(BadInput, home, (*FULL, *_GONE)):
        yield


@contextmanager
def during_work(home: Path) -> Iterator[None]:
    """Turn errors of the machine into FailedRun; what is finished stays, and no run has failed by them."""
    with _as(FailedRun, home):
        yield


@contextmanager
def _as(kind: type[CpbenchError], home: Path, passed: Sequence[int] = ()) -> Iterator[None]:
    try:
        yield
    except CpbenchError:
        raise
    except Exception as error:
        found, cause = excuse(error, home), system_error(error)
        if found is None or cause is None or cause.errno in passed:
            raise
        raise kind(found) from None
