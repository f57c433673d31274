"""Seconds and memory of commands that compute nothing, each in a fresh process with a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..errors import FailedRun
from ..wording import shown
from .bench import Bench
from .paired import spread_of
from .row import Measurement, Row, spread_row

COMMANDS = ("--help", "list", "doctor --quick", "report --only tables --quiet")
_AGAINST = "fresh process"


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
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as errors:
        environment = os.environ | {"CPBENCH_HOME": os.path.join(folder, "home")}  # noqa: PTH118
        begin = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, *words], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=errors
        )
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            child.kill()
            child.wait()
            raise
        seconds, child.returncode = time.perf_counter() - begin, os.waitstatus_to_exitcode(status)
        if child.returncode:
            errors.seek(0)
            said = shown(errors.read().decode(errors="replace").strip().rpartition("\n")[2], 200)
            raise FailedRun(f"'{' '.join(words)}' ended with status {child.returncode}: {said}")
    scale = 1e6 if sys.platform == "darwin" else 1e3
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / scale)
