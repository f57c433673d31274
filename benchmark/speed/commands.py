"""Seconds and memory of commands that compute nothing, each in a fresh process with a home of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import FailedRun
from ..wording import shown
from .bench import Bench
from .paired import spread_of
from .row import Measurement, Row, spread_row

COMMANDS = ("--help", "list", "doctor --quick", "report --only tables --quiet")
_AGAINST = "fresh process"
_LAUNCH = """
import os, sys, time
nowhere = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
begin = time.perf_counter()
pid = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[1:]], os.environ, file_actions=nowhere)
_, status, used = os.wait4(pid, 0)
seconds = time.perf_counter() - begin
print(os.waitstatus_to_exitcode(status), seconds, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
"""A small process that starts a command and measures it: the peak of a process counts that of the one it came from."""


@dataclass(frozen=True)
class Cost:
    """What a process took: seconds by the clock and of the processor, and megabytes at its peak."""

    seconds: float
    cpu: float
    megabytes: float


def cli_measurements(bench: Bench) -> Iterator[Measurement]:
    """Each command."""
    for command in COMMANDS:

        def make(command: str = command) -> list[Row]:
            return _rows(command, (bench.repeats + 1) // 2)

        yield Measurement(f"cpbench {command}", make)


def _rows(command: str, times: int) -> list[Row]:
    words, what = ["-m", "cpbench", *command.split()], f"cpbench {command}"
    if not hasattr(os, "wait4"):
        return [Row("cli", what, _AGAINST, "seconds", note="this system does not measure single processes")]
    run(words)  # the first one fills the caches of the system
    found = [run(words) for _ in range(times)]
    return [
        spread_row("cli", what, _AGAINST, "seconds", spread_of([cost.seconds for cost in found])),
        spread_row("cli", what, _AGAINST, "megabytes", spread_of([cost.megabytes for cost in found])),
    ]


def cpu_seconds(code: str) -> float:
    """The CPU seconds of a fresh process that runs some Python; 0 where the system does not measure it."""
    return run(["-c", code]).cpu if hasattr(os, "wait4") else 0.0


def run(words: Sequence[str]) -> Cost:
    """Run Python with some arguments in an empty folder; raises FailedRun where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"CPBENCH_HOME": str(Path(folder, "home"))}
        command = [sys.executable, "-I", "-S", "-c", _LAUNCH, *words]
        child = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        try:
            found, errors = child.communicate()
        except BaseException:
            with suppress(OSError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise
    status, seconds, cpu, memory = map(float, found.split() or (1, 0, 0, 0))
    if child.returncode or status:
        said = shown(errors.decode(errors="replace").strip().rpartition("\n")[2], 200)
        raise FailedRun(f"'{' '.join(words)}' ended with status {status:.0f}: {said}")
    return Cost(seconds, cpu, memory / (1e6 if sys.platform == "darwin" else 1e3))
