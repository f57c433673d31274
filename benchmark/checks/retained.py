"""Training pictures in what a method saves: as files, bytes, numbers of any scale and layout, or latents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file

from ..models.backbone import Backbone
from ..protocol import Pictures
from ..suite.formats import BUILT_IN

_ALIKE = 0.99
"""Least correlation at which numbers count as a picture; it does not depend on scale, offset and rounding."""


def holds_pictures(folder: Path, pictures: Pictures, backbone: Backbone) -> bool:
    """Whether any file in ``folder`` or below holds one of the pictures (n, h, w, 3) in a form that is recognised."""
    latents = backbone.encode(pictures).flatten(1).cpu().numpy()
    stacked, planes = (x.reshape(len(x), -1) for x in (pictures, pictures.transpose(0, 3, 1, 2)))
    shapes = [_normalised(x) for x in (stacked, planes, latents)]
    raw = [x.tobytes() for x in pictures]
    for file in (f for f in folder.rglob("*") if f.is_file()):
        content = file.read_bytes()
        if any(x in content for x in raw) or any(_alike(a, s) for a in _arrays(file) for s in shapes):
            return True
    return False


def _arrays(file: Path) -> Iterator[NDArray[Any]]:
    """The numbers in a file of tensors, an array or a picture; none for other files."""
    if file.suffix == ".safetensors":
        yield from (w.float().numpy() for w in load_file(file).values())
    elif file.suffix == ".npy":
        yield np.load(file, allow_pickle=False)
    else:
        try:
            with Image.open(file, formats=BUILT_IN) as image:
                yield np.asarray(image.convert("RGB"))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # no picture, or a damaged one
            return


def _alike(array: NDArray[Any], forms: NDArray[np.float64]) -> bool:
    """Whether an array, read as rows of this size, has a row like one of the forms (n, size)."""
    size = forms.shape[1]
    if not array.size or array.size % size:
        return False
    return bool((_normalised(array.reshape(-1, size)) @ forms.T > _ALIKE).any())


def _normalised(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Rows (n, size) scaled to mean zero and length one; constant rows become zero."""
    centred = rows.astype(np.float64) - rows.mean(1, dtype=np.float64, keepdims=True)
    scaled: NDArray[np.float64] = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    return scaled
