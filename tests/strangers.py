"""Commands as another user would run them: permissions bind, also where the tests run as root."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

STRANGER = 65534
"""The user to whom files of others are given; the command itself stays the user of the tests, so that Python is read.
"""
_DROP, _VERSION = 24, 0x20080522  # of prctl and capset


@dataclass
class Outcome:
    """Exit status of a command, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line of the errors, or of the output."""
        return (self.err.strip() or self.out.strip() or "").splitlines()[-1:][0] if self.err or self.out else ""


def give_away(*paths: Path) -> None:
    """Give folders with all that is in them to another user; without root, they stay and only modes bind."""
    if os.geteuid() == 0:
        for path in paths:
            for one in (path, *path.rglob("*")):
                os.chown(one, STRANGER, STRANGER, follow_symlinks=False)


def modes(path: Path, folders: int, files: int) -> None:
    """Set the modes of a folder, its folders and its files."""
    for one in (*path.rglob("*"), path):
        one.chmod(folders if one.is_dir() else files)


def without_privileges() -> None:
    """Drop the capabilities of root, also those that a program started later would have; nothing for other users."""
    if os.geteuid() != 0:
        return
    system = ctypes.CDLL(None, use_errno=True)
    for capability in range(64):
        system.prctl(_DROP, capability, 0, 0, 0)
    header, none = (ctypes.c_uint32 * 2)(_VERSION, 0), (ctypes.c_uint32 * 6)()
    if system.capset(header, none):
        raise OSError(ctypes.get_errno(), "the privileges of root cannot be dropped")


def in_child(do: Callable[[], int], folder: Path, seconds: int = 120) -> Outcome:
    """Run a function in a forked process; its result is the status, and what it prints goes through files."""
    files = folder / f"out-{os.urandom(4).hex()}", folder / f"err-{os.urandom(4).hex()}"
    handles = [os.open(file, os.O_RDWR | os.O_CREAT) for file in files]
    sys.stdout.flush(), sys.stderr.flush()
    if not (child := os.fork()):
        status = 70
        try:
            signal.alarm(seconds)
            os.dup2(handles[0], 1), os.dup2(handles[1], 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
            status = do()
        except SystemExit as end:
            status = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    for handle in handles:
        os.close(handle)
    out, err = (file.read_text() for file in files)
    for file in files:
        file.unlink()
    return Outcome(status, out, err)


def stranger(
    folder: Path,
    *arguments: object,
    home: Path,
    umask: int = 0o022,
    env: Mapping[str, str] | None = None,
    limits: Mapping[int, int] | None = None,
) -> Outcome:
    """Run a command without privileges in a forked process, whose current folder is ``folder``."""

    def do() -> int:
        from cpbench.benchmark.cli.main import main

        os.umask(umask)
        os.chdir(folder)
        os.environ.update({"CPBENCH_HOME": str(home), "COLUMNS": "400"} | dict(env or {}))
        without_privileges()
        for kind, value in (limits or {}).items():
            import resource

            resource.setrlimit(kind, (value, value))
        main([str(a) for a in arguments])
        return 0

    return in_child(do, folder.parent)
