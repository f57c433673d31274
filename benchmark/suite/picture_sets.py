"""Sets of real pictures that are there when they are asked for, so that what is known of them is not rendered again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import PIL

from ..hashing import digest, picture_hash
from ..protocol import Pictures
from ..toybox.world import portraits, unusual_individual


class PictureSet(Protocol):
    """Real pictures; ``key`` identifies them, under the same code."""

    @property
    def key(self) -> str:
        """16 hexadecimal digits."""
        ...

    def pictures(self) -> Pictures:
        """The pictures, uint8 (n, height, width, 3); not to be changed."""
        ...


@dataclass(frozen=True)
class Rendering:
    """``n`` toybox pictures of one individual, or of two together, each given by class and seed.

    ``stream`` separates the pictures to learn from and those to compare with.
    """

    sources: tuple[tuple[str, int], ...]
    n: int
    stream: int

    @property
    def key(self) -> str:
        """A digest of what decides the pixels, the versions of the libraries included; nothing is rendered for it."""
        return digest(["toybox", self.sources, self.n, self.stream, np.__version__, PIL.__version__])

    def pictures(self) -> Pictures:
        """The pictures, rendered once per process."""
        return _rendered(self.sources, self.n, self.stream)


@dataclass(frozen=True)
class Photographs:
    """Pictures of a folder, which are identified by their pixels."""

    content: Pictures

    @property
    def key(self) -> str:
        """The hash of the pixels."""
        return picture_hash(self.content)

    def pictures(self) -> Pictures:
        """The pictures."""
        return self.content


@lru_cache(maxsize=1024)
def _rendered(sources: tuple[tuple[str, int], ...], n: int, stream: int) -> Pictures:
    seed = sum(own * 1_000_003**k for k, (_, own) in enumerate(sources))
    pictures = np.stack(portraits([unusual_individual(*one) for one in sources], n, seed * 10 + stream))
    pictures.setflags(write=False)
    return pictures
