"""Runs one thing within limits of time and memory, and finds what it printed, raised, and changed on disk."""

import io
import os
import resource
import signal
import sys
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CPU_SECONDS = 5.0  # of the process, so that other work on the machine does not count
MEMORY = 4 * 2**30  # bytes above what the libraries take
LONGEST = 1500  # characters of a sentence: it may list what there is to choose from
PLACES = ("cwd", "user", "tmp", "outside", "input", "store", "allowed")
MAY_CHANGE = ("store", "allowed")


class Hang(BaseException):
    """Too much time was taken."""


@dataclass
class Outcome:
    """What came of it; ``raised`` is the text of an exception that no command may raise."""

    status: int
    out: str
    err: str
    raised: str = ""


class Sandbox:
    """A folder with a user's home, a folder for temporary files, inputs, and folders that may be written to."""

    def __init__(self, root):
        self.root = Path(root)
        for name in PLACES:
            (self.root / name).mkdir(parents=True, exist_ok=True)
        self.environment = {
            "HOME": str(self.user),
            "TMPDIR": str(self.root / "tmp"),
            "CPBENCH_HOME": str(self.store),
            "XDG_CACHE_HOME": str(self.user / ".cache"),
            "HF_HUB_OFFLINE": "1",
            "COLUMNS": "100",
            "NO_COLOR": "1",
        }

    def __getattr__(self, name):
        if name in PLACES:
            return self.root / name
        raise AttributeError(name)

    def state(self):
        """Every path that must not change, with its kind, size and time."""
        found, stack = {}, [str(self.root)]
        while stack:
            for entry in os.scandir(stack.pop()):
                if entry.name in MAY_CHANGE and os.path.dirname(entry.path) == str(self.root):  # noqa: PTH120
                    continue
                if entry.is_dir(follow_symlinks=False):
                    found[entry.path] = "folder"
                    stack.append(entry.path)
                else:
                    stat = entry.stat(follow_symlinks=False)
                    found[entry.path] = f"{stat.st_mode} {stat.st_size} {stat.st_mtime_ns}"
        return found

    def changes(self, before):
        """The paths that are new, gone or changed."""
        after = self.state()
        return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


@contextmanager
def limited(seconds):
    """Raise Hang in this block after so many seconds of computing, or four times as many of waiting; 0: never."""

    def stop(*_):
        raise Hang

    signal.signal(signal.SIGPROF, stop)
    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, 4 * seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def limit_memory():
    """From here on, this process gets a fixed amount of memory more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def one_core():
    """From here on, this is a machine with one core: commands load the models here, not in a process per example."""
    from cpbench.benchmark.run import jobs

    jobs.cores = lambda: 1


@contextmanager
def captured():
    """Standard output and error as a terminal of Python would encode them; yields a function that gives the texts."""
    before = sys.stdout, sys.stderr
    streams = [
        io.TextIOWrapper(io.BytesIO(), "utf-8", errors, write_through=True) for errors in ("strict", "backslashreplace")
    ]
    sys.stdout, sys.stderr = streams
    try:
        yield lambda: [s.buffer.getvalue().decode("utf-8", "replace") for s in streams]
    finally:
        sys.stdout, sys.stderr = before


def attempt(function, expected=(), seconds=CPU_SECONDS):
    """Call a function within the limits; ``expected``: exceptions whose text is the sentence of a refusal."""
    status, err, raised = 0, "", ""
    with captured() as texts:
        try:
            with limited(seconds):
                function()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except expected as error:
            status, err = getattr(error, "status", 2), f"cpbench: {error}\n"
        except Hang:
            raised = "hang: " + place_of_hang(sys.exc_info()[2])
        except BaseException as error:
            raised = f"{type(error).__name__}: {str(error)[:300]}\n{traceback.format_exc()[-2500:]}"
        out, printed = texts()
    return Outcome(status, out, printed + err, raised)


def place_of_hang(trace):
    """The innermost frames of cpbench when time was up."""
    frames = [f for f in traceback.extract_tb(trace) if "cpbench" in f.filename or "/benchmark/" in f.filename]
    return " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames[-4:][::-1])


def unprintable(text):
    """Characters that a terminal would act on, outside of the line ends."""
    return sorted({c for c in text if not c.isprintable() and c not in "\n\t"})


def fault_of(outcome, statuses=(0, 1, 2, 3), silent=()):
    """What is wrong with how a command ended; None if nothing is. ``silent``: statuses that need no sentence."""
    if outcome.raised:
        return outcome.raised
    if outcome.status not in statuses:
        return f"status {outcome.status}"
    if bad := unprintable(outcome.out + outcome.err):
        return f"prints {bad!r}"
    lines = [line for line in outcome.err.splitlines() if not line.startswith("cpbench: warning: ")]
    if outcome.status == 0 or (outcome.status in silent and not lines):
        return f"stderr of status {outcome.status}: {lines[:3]}" if lines else None
    if lines and lines[0].startswith("Usage:"):
        return (
            None if lines[-1].startswith("Error:") and len(lines[-1]) < LONGEST else f"usage error: {lines[-1][:200]}"
        )
    if len(lines) != 1 or not lines[0].startswith("cpbench: "):
        return f"status {outcome.status} with {len(lines)} lines: {lines[:4]}"
    if not 15 < len(lines[0]) < LONGEST:
        return f"a sentence of {len(lines[0])} characters: {lines[0][:200]}"
    return None
