"""Pictures as files of a unit, and the unit of real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...plan.units import Real
from ...protocol import Pictures
from ...suite.concepts import held_out_pictures
from ...suite.spec import Suite


def real(unit: Real, suite: Suite, folder: Path) -> dict[str, Any]:
    """Write held-out real pictures."""
    pictures = held_out_pictures(suite, unit.subjects)
    assert pictures is not None  # else it is not planned
    write_pictures(folder, pictures)
    return {}


def write_pictures(folder: Path, pictures: Pictures) -> None:
    """Write pictures as numbered PNG files (lossless: JPEG would change every score)."""
    for k, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{k:04d}.png")


def read_pictures(folder: Path) -> Pictures:
    """Read the pictures that :func:`write_pictures` wrote; (n, height, width, 3), uint8."""
    return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in sorted(folder.glob("*.png"))])
