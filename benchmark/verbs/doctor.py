"""What is installed, which devices are available, and whether the store is sound."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from rich.filesize import decimal

from ..errors import CpbenchError
from ..storage.inventory import faults, read_record, take_inventory
from ..storage.store import owner
from ..wording import counted

_PACKAGES = ("torch", "torchvision", "diffusers", "transformers", "peft", "open_clip_torch", "timm", "torchmetrics")


@dataclass(frozen=True)
class Check:
    """A check: its subject, what was found, and whether that is good."""

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
    from ..storage.store import disk_bytes, home

    folder = home()
    units = len(take_inventory(folder / "units").units)
    space = f"{decimal(disk_bytes(folder))}, {decimal(shutil.disk_usage(folder).free)} free"
    return f"{folder}: {counted(units, 'unit')}, {space}"


def store_checks(on_unit: Callable[[], None], *, quick: bool) -> Iterator[Check]:
    """Units that are under way, interrupted, left over, stale or damaged; ``on_unit`` is called per checked unit."""
    from ..storage.store import home

    stock = take_inventory(home() / "units")
    if stock.under_way:
        yield Check("under way", "; ".join(map(owner, stock.under_way)), True)
    if stock.checkpoints:
        yield Check(
            "interrupted",
            f"{counted(len(stock.checkpoints), 'task')} interrupted; the same command resumes.",
            True,
        )
    if lost := len(stock.left_over) + len(stock.damaged):
        yield Check(
            "left over",
            f"{counted(lost, 'folder')} of dead processes or damaged units; 'cpbench gc' frees the disk.",
            True,
        )
    if stock.tracebacks:
        where = f"{stock.tracebacks[0].parent}; 'cpbench gc' removes them"
        yield Check("failed", f"{counted(len(stock.tracebacks), 'traceback')} of failed units in {where}.", True)
    if quick:
        return
    today = _codes()
    old = [u for u in stock.units if read_record(u).get("inputs", {}).get("code") not in today]
    if old:
        yield Check(
            "other code",
            f"{counted(len(old), 'unit')} made by code that has changed since, so that no run uses them now; remove "
            "those that no record uses with 'cpbench gc --unused runs'.",
            True,
        )
    bad = faults(stock.units, on_unit)
    named = "; ".join(f"{unit.name}: {fault}" for unit, fault in list(bad.items())[:5])
    more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
    found = f"{named}{more}; computed again when needed" if bad else f"{counted(len(stock.units), 'unit')} intact"
    yield Check("checksums", found, not bad)


def _codes() -> set[str]:
    """The digests of all code that units may be of today."""
    from ...methods.registry import choose, method_names
    from ..plan.units import with_method
    from ..run.code import code_of_units
    from ..scoring.profiles import PROFILES

    alone = {code for profile in PROFILES.values() for code in code_of_units(profile).values()}
    found = set(alone)
    for name in method_names():
        with suppress(CpbenchError):  # a plug-in that cannot be loaded
            found |= {with_method(code, chosen.code) for chosen in choose(name, {}) for code in alone}
    return found


def _toybox() -> str:
    from ..toybox.weights import read_manifest, read_parts, weights_folder

    read_parts()
    return f"weights complete, {read_manifest(weights_folder())['sha256']['unet'][:12]}"


def _extractor() -> str:
    import torch

    from ..models.aligners import load_aligner
    from ..models.extractors import load_extractor

    cpu = torch.device("cpu")
    extractor, aligner = load_extractor("effnet-lite0", cpu).key, load_aligner("toybox-clip", cpu)[1]
    return f"effnet-lite0 {extractor[:8]}, toybox-clip {aligner[:8]}"


def _toybox_files() -> str:
    """What :func:`_toybox` finds, from the checksums alone."""
    from ..toybox.shipped import check_file, read_manifest, weights_folder

    sums = read_manifest(weights_folder())["sha256"]
    for name, checksum in sums.items():
        check_file(weights_folder() / f"{name}.safetensors", checksum)
    return f"weights complete, {sums['unet'][:12]}"


def _extractor_files() -> str:
    """What :func:`_extractor` finds, from the checksums alone."""
    from ..models.shipped import batched, lite0_file
    from ..toybox.shipped import check_file, clip_key, weights_folder

    extractor, checksum = batched(lite0_file()[1]), json.loads((weights_folder() / "clip.json").read_text())["sha256"]
    check_file(weights_folder() / "clip.safetensors", checksum)
    return f"effnet-lite0 {extractor[:8]}, toybox-clip {clip_key(checksum)[:8]}"


def _pictures() -> str:
    from ..suite.formats import readable

    found = readable()
    yes = ", ".join(name for name, package in found.items() if not package)
    no = ", ".join(f"{name} (pip install {package})" for name, package in found.items() if package)
    return yes + (f"; not {no}" if no else "")


def checks(*, quick: bool = False) -> list[Check]:
    """All checks but those of the store, the cheap ones first.

    ``quick``: without loading torch. Models are then checked by the checksums of their files, and devices not at all.
    """
    rows = [_try(package, lambda p=package: version(p)) for package in _PACKAGES]  # type: ignore[misc]
    looks: dict[str, Callable[[], str]] = {} if quick else {"device": _device}
    looks |= {"store": _home, "toybox model": _toybox_files if quick else _toybox}
    looks |= {"features": _extractor_files if quick else _extractor, "pictures": _pictures}
    return rows + [_try(what, look) for what, look in looks.items()]
