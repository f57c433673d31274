"""The cache of features: whatever an extractor computed once is never computed again."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..hashing import digest, picture_hash
from ..protocol import Features, Pictures


@dataclass(frozen=True)
class FeatureCache:
    """Features on disk by the hash of the pictures and ``key``, that of ``extract``: computed once, ever."""

    folder: Path
    extract: Callable[[Pictures], Features]
    key: str

    def __call__(self, pictures: Pictures) -> Features:
        """Features of pictures (n, h, w, 3), from the cache where they are there."""
        file = self.folder / f"{digest([picture_hash(pictures), self.key])}.safetensors"
        with suppress(OSError, SafetensorError), safe_open(file, "numpy") as stored:
            kept: Features = stored.get_tensor("features")
            if (stored.metadata() or {}).get("sha256") == _sum(kept):
                return kept
        # Not there, cut short, or changed on the disk: then it is computed.
        features = self.extract(pictures)
        self.folder.mkdir(parents=True, exist_ok=True)
        # A name of its own: two processes may compute the same features at once, and the last rename wins.
        with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".partial", delete=False) as partial:
            partial.write(save({"features": features}, {"sha256": _sum(features)}))
        Path(partial.name).replace(file)
        return features


def _sum(features: Features) -> str:
    return hashlib.sha256(repr((features.dtype.str, features.shape)).encode() + features.tobytes()).hexdigest()
