"""The cache of features: whatever an extractor computed once is never computed again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from .data import picture_hash
from .metrics import Features
from .protocol import Pictures
from .spec import digest


@dataclass(frozen=True)
class FeatureCache:
    """Features on disk by the hash of the pictures and ``key``, that of ``extract``: computed once, ever."""

    folder: Path
    extract: Callable[[Pictures], Features]
    key: str

    def __call__(self, pictures: Pictures) -> Features:
        """Features of pictures (n, h, w, 3), from the cache where they are there."""
        file = self.folder / f"{digest([picture_hash(pictures), self.key])}.safetensors"
        with suppress(OSError, SafetensorError, KeyError):  # not there, or cut short: then it is computed
            stored: Features = load_file(file)["features"]
            return stored
        features = self.extract(pictures)
        self.folder.mkdir(parents=True, exist_ok=True)
        # A name of its own: two processes may compute the same features at once, and the last rename wins.
        with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".partial", delete=False) as partial:
            partial.write(save({"features": features}))
        Path(partial.name).replace(file)
        return features
