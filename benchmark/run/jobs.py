"""How many processes compute where that is not given: by cores, memory, GPUs, and the work that there is."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from graphlib import TopologicalSorter
from multiprocessing import current_process
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

from ..numbers import JOBS, Range
from ..plan.choices import Choice
from ..plan.units import Unit
from ..wording import counted

AUTO = "auto"
_LEAST = 900_000_000  # bytes that a process needs at least: libraries and the smallest model
_CGROUPS = Path("/sys/fs/cgroup")
_OWN_GROUP = Path("/proc/self/cgroup")
_MEMORY = Path("/proc/meminfo")


@dataclass(frozen=True)
class NumberOfJobs(Range):
    """A number of processes, or ``auto``."""

    low: float = JOBS.low
    high: float = JOBS.high

    def wanted(self, kind: type) -> str:
        """Both as the end of a sentence."""
        return f"{super().wanted(kind)}, or '{AUTO}'"

    def accepted(self, value: Any, kind: type) -> Any:
        """The number, or ``auto``."""
        return AUTO if isinstance(value, str) and value == AUTO else super().accepted(value, kind)


@dataclass(frozen=True)
class Bound:
    """A number of processes, and the reason why there are no more, in a few words."""

    jobs: int
    why: str

    def within(self, jobs: int, why: str) -> Bound:
        """The smaller of this number and another one, at least 1."""
        return self if self.jobs <= jobs else Bound(max(1, jobs), why)


def most(device: str, threads: int, methods: Sequence[Choice]) -> Bound:
    """The most processes that this machine has room for, as far as that is known before the models are loaded."""
    if reason := _alone(methods):
        return Bound(1, reason)
    found = Bound(max(1, cores() // threads), "one per core" if threads == 1 else f"{threads} cores each")
    if device == "mps":
        return found.within(1, "one per GPU")
    if device.startswith("cuda:"):
        return found.within(1, f"one on {device}")
    return found.within(free_memory() // _LEAST, _room(_LEAST)) if device == "cpu" else found


def settled(bound: Bound, device: str, gpus: int, peak: int, units: int) -> Bound:
    """The number of processes, when the models are loaded by one, whose peak is ``peak`` bytes, and the work is known.

    ``device``: the type of the device; ``units``: how many units can run at once.
    """
    if device == "cuda":
        found = bound.within(gpus, "one per GPU")
    elif device == "mps":
        found = bound.within(1, "one per GPU")
    else:
        found = bound.within(1 + free_memory() // max(1, peak), _room(peak))
    return found.within(units, "no more can run at once")


def width(units: Mapping[str, Unit]) -> int:
    """How many of some units can run at once, if each starts as soon as those that it needs are done."""
    needs = {key: [n for n in unit.needs if n in units] for key, unit in units.items()}
    level = dict[str, int]()
    for key in TopologicalSorter(needs).static_order():
        level[key] = 1 + max((level[n] for n in needs[key]), default=-1)
    steps = list(level.values())
    return max((steps.count(step) for step in set(steps)), default=0)


def cores() -> int:
    """The cores that this process may use: those of its affinity, and no more than the quota of its control group."""
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        own = os.process_cpu_count() or 1
    elif hasattr(os, "sched_getaffinity"):
        own = len(os.sched_getaffinity(0))
    else:
        own = os.cpu_count() or 1
    return max(1, int(min([own, *_quotas()])))


def free_memory() -> int:
    """The bytes that new processes can use, without what the control group does not allow.

    Where the system does not give it, half of the whole memory; without limit where nothing is known.
    """
    bounds = list(_left_in_groups())
    with suppress(OSError, StopIteration, ValueError):
        line = next(line for line in _MEMORY.read_text().splitlines() if line.startswith("MemAvailable"))
        bounds.append(int(line.split()[1]) * 1024)
    if not bounds and hasattr(os, "sysconf"):
        with suppress(OSError, ValueError):
            bounds.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
    return max(0, min(bounds, default=sys.maxsize))


def _quotas() -> Iterator[float]:
    """The cores that each control group above this process allows."""
    for group in _groups("cpu"):
        with suppress(OSError, ValueError):
            if (file := group / "cpu.max").is_file():
                quota, period = file.read_text().split()
            else:
                quota, period = ((group / f"cpu.cfs_{what}_us").read_text().strip() for what in ("quota", "period"))
            if quota not in ("max", "-1"):
                yield int(quota) / int(period)


def _left_in_groups() -> Iterator[int]:
    """The bytes that are left in each control group above this process; files in its cache are given back."""
    for group in _groups("memory"):
        with suppress(OSError, ValueError):
            new = (group / "memory.max").is_file()
            limit = (group / ("memory.max" if new else "memory.limit_in_bytes")).read_text().strip()
            if limit != "max":
                used = int((group / ("memory.current" if new else "memory.usage_in_bytes")).read_text())
                stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
                yield int(limit) - used + int(stat.get("inactive_file", 0))


def _groups(controller: str) -> Iterator[Path]:
    """The folders of the control groups of this process, of both versions, from its own to the root."""
    with suppress(OSError):
        for line in _OWN_GROUP.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            root = _CGROUPS / controllers if controllers else _CGROUPS
            own = root / path.lstrip("/")
            yield from (group for group in (own, *own.parents) if group.is_relative_to(root) and group.is_dir())


def _alone(methods: Sequence[Choice]) -> str:
    """Why no other process can take part; empty where one can."""
    if current_process().daemon:
        return "this process cannot start others"
    try:
        ForkingPickler.dumps(methods)
    except Exception:  # what cannot be pickled raises many types of errors
        return "a method that is not defined by 'def' or 'class' in a module"
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    if main is not None and getattr(sys.modules["__main__"], "__spec__", None) is None:  # others import the script
        with suppress(OSError, UnicodeDecodeError):
            if "__main__" in Path(main).read_text():
                return ""
        return f"{Path(main).name} has no if __name__ == '__main__'"
    return ""


def _room(size: int) -> str:
    return f"{counted(free_memory() // 10**6, 'MB', 'MB')} free, {size // 10**6:,} MB each"
