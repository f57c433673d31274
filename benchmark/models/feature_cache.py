"""A cache of features on disk, so that an extractor processes the same pictures once."""

from __future__ import annotations

import hashlib
import uuid
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
    """Features on disk, found by the hash of the pictures and by ``key``, which identifies ``extract``."""

    folder: Path
    extract: Callable[[Pictures], Features]
    key: str

    def __call__(self, pictures: Pictures) -> Features:
        """Features (n, d) of pictures (n, h, w, 3), from the cache if it has them."""
        file = self.folder / f"{digest([picture_hash(pictures), self.key])}.safetensors"
        with suppress(OSError, SafetensorError), safe_open(file, "numpy") as stored:
            kept: Features = stored.get_tensor("features")
            if (stored.metadata() or {}).get("sha256") == _sum(kept):
                return kept
        # The file is missing, truncated or changed.
        features = self.extract(pictures)
        self.folder.mkdir(parents=True, exist_ok=True)
        # A unique name: two processes may compute the same features at once, and the last rename wins.
        partial = self.folder / f"{uuid.uuid4().hex}.partial"
        try:
            partial.write_bytes(save({"features": features}, {"sha256": _sum(features)}))
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)
        return features


def _sum(features: Features) -> str:
    return hashlib.sha256(repr((features.dtype.str, features.shape)).encode() + features.tobytes()).hexdigest()
