"""The stamp of a record: what it was made with."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

_PACKAGES = ("cpbench", "torch", "diffusers", "transformers", "peft", "timm", "numpy", "pillow")
_CPUINFO = Path("/proc/cpuinfo")


def environment(device: torch.device) -> dict[str, Any]:
    """The stamp: versions, commit, machine, device and threads."""
    return {
        "python": platform.python_version(),
        "platform": platform.system(),
        "packages": {p: _version(p) for p in _PACKAGES},
        "commit": _commit(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
    }


def numerics(stamp: dict[str, Any]) -> dict[str, Any]:
    """The part of a stamp that may decide the last bits of a number: not our own version, that is what is checked."""
    packages = {p: v for p, v in stamp.get("packages", {}).items() if p != "cpbench"}
    return packages | {k: stamp.get(k) for k in ("python", "platform", "device", "instructions", "threads")}


def processor() -> str:
    """The model of the processor, as exactly as the system tells it."""
    if _CPUINFO.exists():
        names = [line.partition(":")[2].strip() for line in _CPUINFO.read_text().splitlines() if "model name" in line]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _commit() -> str | None:
    """The git commit of this checkout, with ``+`` where it has changes; None outside a checkout."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return None
    try:
        call = ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
        return subprocess.run(call, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
