"""Seconds and peak memory of each phase of a unit, told apart by its ticks."""

from __future__ import annotations

import time

import torch

from .memory import peak_memory, reset_peak_memory
from .protocol import Tick, Watch


class Phases:
    """Watches ticks and hands them on. What happens between two ticks belongs to the phase of the second."""

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
        """Seconds and peak bytes by phase so far, for a checkpoint to hold."""
        return {"seconds": self.seconds, "peak_bytes": dict(self.peak_bytes)}

    def resume(self, measured: dict[str, dict[str, float]]) -> None:
        """Go on from what an interrupted process had measured when it saved its last checkpoint."""
        self.seconds |= measured["seconds"]
        for phase, peak in measured["peak_bytes"].items():
            self.peak_bytes[phase] = max(self.peak_bytes.get(phase, 0), int(peak))

    def figures(self) -> dict[str, float]:
        """``seconds.<phase>`` and ``peak_bytes.<phase>``."""
        seconds = {f"seconds.{phase}": s for phase, s in self.seconds.items()}
        return seconds | {f"peak_bytes.{phase}": float(b) for phase, b in self.peak_bytes.items()}
