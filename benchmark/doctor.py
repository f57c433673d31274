"""What is installed, which devices there are, and what will work."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from .errors import CpbenchError

_PACKAGES = ("torch", "torchvision", "diffusers", "transformers", "peft", "open_clip_torch", "timm", "torchmetrics")


@dataclass(frozen=True)
class Check:
    """One thing looked at: what, what was found, and whether it is good."""

    what: str
    found: str
    good: bool


def _try(what: str, look: Callable[[], str]) -> Check:
    try:
        return Check(what, look(), True)
    except (CpbenchError, ImportError, OSError, RuntimeError, PackageNotFoundError) as error:
        return Check(what, str(error), False)


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        return f"cuda: {torch.cuda.get_device_name()}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free"
    if torch.backends.mps.is_available():
        return "mps"
    return f"cpu: {torch.get_num_threads()} of {os.cpu_count()} cores"


def _home() -> str:
    from .store import home

    folder = home()
    units = len(list((folder / "units").glob("*/unit.json")))
    return f"{folder}: {units} units, {shutil.disk_usage(folder).free / 1e9:.1f} GB free"


def _toybox() -> str:
    from .toybox.weights import read_manifest, read_parts, weights_folder

    read_parts()
    return f"weights whole, {read_manifest(weights_folder())['sha256']['unet'][:12]}"


def _extractor() -> str:
    import torch

    from .aligners import load_aligner
    from .extractors import load_extractor

    cpu = torch.device("cpu")
    seen, told = load_extractor("effnet-lite0", cpu).key, load_aligner("toybox-clip", cpu)[1]
    return f"effnet-lite0 {seen[:8]}, toybox-clip {told[:8]}"


def checks() -> list[Check]:
    """All checks, the cheap ones first."""
    rows = [_try(package, lambda p=package: version(p)) for package in _PACKAGES]  # type: ignore[misc]
    looks = {"device": _device, "store": _home, "toybox model": _toybox, "features": _extractor}
    return rows + [_try(what, look) for what, look in looks.items()]
