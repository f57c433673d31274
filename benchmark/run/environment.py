"""The stamp of a record: the software and the machine that it was made with."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_info, threadpool_limits

_PACKAGES = ("cpbench", "torch", "diffusers", "transformers", "peft", "timm", "numpy", "pillow")
_CPUINFO = Path("/proc/cpuinfo")
_NUMBERS = ("cpu family", "model", "stepping")


def environment(device: torch.device) -> dict[str, Any]:
    """The stamp: versions, commit, machine, device and threads."""
    return {
        "python": platform.python_version(),
        "platform": platform.system(),
        "packages": {p: _version(p) for p in _PACKAGES},
        "commit": _commit(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "blas": blas(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
    }


def set_threads(n: int) -> None:
    """Set the threads of torch and of NumPy's BLAS; both split sums by their number, which changes how sums round."""
    torch.set_num_threads(n)
    threadpool_limits(n, "blas")


def blas() -> str:
    """The kernels that NumPy multiplies matrices with; they may differ between processors of the same name."""
    np.ones((2, 2)) @ np.ones((2, 2))  # only a loaded library is listed
    libraries = [lib for lib in threadpool_info() if lib["user_api"] == "blas"]
    own = [lib for lib in libraries if "numpy" in lib["filepath"]] or libraries
    return ", ".join(f"{lib['internal_api']} {lib['version']} {lib.get('architecture', '')}".strip() for lib in own)


def processor() -> str:
    """The model of the processor, with its family if the system reports it: processors may share a name alone."""
    if _CPUINFO.exists():
        first = _CPUINFO.read_text().partition("\n\n")[0]
        fields = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in first.splitlines())}
        numbers = " ".join(f"{k.removeprefix('cpu ')} {fields[k]}" for k in _NUMBERS if k in fields)
        if name := fields.get("model name"):
            return f"{name} ({numbers})" if numbers else name
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _commit() -> str | None:
    """The git commit of this checkout, with ``+`` if it has changes; None outside a checkout."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        call = ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
        return subprocess.run(call, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
