"""Pictures that are much less sharp than the others of their concept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..protocol import Pictures

_BLURRED = 0.1
"""The share of the median of the others below which a picture is called blurred."""


def sharpness(pictures: Pictures) -> NDArray[np.float64]:
    """The variance of the Laplacian of the grey values (n, size, size, 3), (n,): small in a blurred picture."""
    grey = pictures.astype(np.float64).mean(-1)
    inner = grey[:, 1:-1, 1:-1]
    edges = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:] - 4 * inner
    found: NDArray[np.float64] = edges.var(axis=(1, 2))
    return found


def blurred(files: Sequence[Path], pictures: Pictures) -> list[Path]:
    """The files of pictures with less than a tenth of the sharpness of the median of the others; of five at least."""
    if len(files) < 5:
        return []
    own = sharpness(pictures)
    return [f for k, f in enumerate(files) if own[k] < _BLURRED * np.median(np.delete(own, k))]
