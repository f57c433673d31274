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
from ..suite.picture_sets import PictureSet


@dataclass(frozen=True)
class FeatureCache:
    """Features on disk, found by the key of the pictures and by ``key``, which identifies ``extract``.

    ``key`` is also of the code that renders pictures, since that of a rendering is not.
    """

    folder: Path
    extract: Callable[[Pictures], Features]
    key: str

    def __call__(self, pictures: Pictures) -> Features:
        """Features (n, d) of pictures (n, h, w, 3), from the cache if it has them."""
        return self._kept(picture_hash(pictures), lambda: pictures)

    def of(self, real: PictureSet) -> Features:
        """Features (n, d) of a set of pictures, which are rendered only if the cache does not have them."""
        return self._kept(real.key, real.pictures)

    def _kept(self, of: str, pictures: Callable[[], Pictures]) -> Features:
        file = self.folder / f"{digest([of, self.key])}.safetensors"
        with suppress(OSError, SafetensorError), safe_open(file, "numpy") as stored:
            kept: Features = stored.get_tensor("features")
            if (stored.metadata() or {}).get("sha256") == _sum(kept):
                return kept
        # The file is missing, truncated or changed.
        features = self.extract(pictures())
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
