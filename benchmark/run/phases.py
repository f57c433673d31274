"""Seconds and peak memory of each phase of a unit, from its ticks."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

from ..protocol import Tick, Watch


class Phases:
    """Measures phases, and passes ticks on to ``watch``. What happens between two ticks counts to the second one's."""

    def __init__(self, device: torch.device, watch: Watch) -> None:
        self.device, self.watch = device, watch
        self.seconds: dict[str, float] = {}
        self.peak_bytes: dict[str, int] = {}
        self.last = time.perf_counter()
        reset_peak_memory(device)

    def __call__(self, tick: Tick) -> None:
        """Count the time and memory since the last tick to the phase of this one."""
        self.close(tick.phase)
        self.watch(tick)

    def close(self, phase: str) -> None:
        """Count what happened since the last tick to ``phase``."""
        now = time.perf_counter()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self.last
        self.peak_bytes[phase] = max(self.peak_bytes.get(phase, 0), peak_memory(self.device))
        reset_peak_memory(self.device)
        self.last = now

    def measured(self) -> dict[str, dict[str, float]]:
        """Seconds and peak bytes by phase so far, to be kept in a checkpoint."""
        return {"seconds": self.seconds, "peak_bytes": dict(self.peak_bytes)}

    def resume(self, measured: dict[str, dict[str, float]]) -> None:
        """Continue from what an interrupted process had measured at its last checkpoint."""
        self.seconds |= measured["seconds"]
        for phase, peak in measured["peak_bytes"].items():
            self.peak_bytes[phase] = max(self.peak_bytes.get(phase, 0), int(peak))

    def figures(self) -> dict[str, float]:
        """``seconds.<phase>`` and ``peak_bytes.<phase>``."""
        seconds = {f"seconds.{phase}": s for phase, s in self.seconds.items()}
        return seconds | {f"peak_bytes.{phase}": float(b) for phase, b in self.peak_bytes.items()}


_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def reset_peak_memory(device: torch.device) -> None:
    """Start a new measurement of the peak, if the system allows it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif _CLEAR.exists():
        try:
            _CLEAR.write_text("5")
        except OSError:  # a container may forbid it: the peak is then that of the whole process
            return


def peak_memory(device: torch.device) -> int:
    """Bytes at the peak since :func:`reset_peak_memory`."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    factor = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * factor
