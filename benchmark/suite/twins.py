"""Pictures that are there twice: the same, or made of one another by saving, scaling or mirroring."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..hashing import picture_hash
from ..protocol import Pictures
from ..wording import shown

_GRID = 16  # blocks per side of a fingerprint
_NEAR = 4.0
"""Root mean square difference of levels (0 to 255) up to which two fingerprints are of one picture.

JPEG down to quality 10, GIF of 64 colours and an eighth of the size stay within 4; renderings of one individual and
crops by 2 % are at 7 and more.
"""


@dataclass(frozen=True)
class Print:
    """A picture by its concept and file, its hash, and the mean colours of its blocks as it is and mirrored.

    ``held``: drawn pictures are compared with it as one that was never learned.
    """

    concept: str
    file: Path
    exact: str
    plain: NDArray[np.float32]
    mirrored: NDArray[np.float32]
    held: bool = False


@dataclass(frozen=True)
class Twins:
    """A picture that looks like an earlier one, and how: ``the same``, ``nearly the same`` or ``the same mirrored``."""

    earlier: Print
    later: Print
    how: str


def prints_of(concept: str, files: Sequence[Path], pictures: Pictures, held: Container[Path] = ()) -> list[Print]:
    """The prints of the pictures (n, size, size, 3), uint8, of some files; ``held``: those that are never learned."""
    plain, mirrored = _colours(pictures), _colours(pictures[:, :, ::-1])
    exact = [picture_hash(pictures[k : k + 1]) for k in range(len(files))]
    kept = [file in held for file in files]
    return [Print(concept, *one) for one in zip(files, exact, plain, mirrored, kept, strict=True)]


def remark_on_twins(prints: Sequence[Print], remark: Callable[[str], None]) -> None:
    """Call ``remark`` with a sentence per kind of likeness and concept, or two concepts.

    Nothing is refused or left out for it: bursts of photographs are as they should be.
    """
    for (one, other, how, leaks), group in groupby(sorted(twins(prints), key=_kind), key=_kind):
        pairs = listed([f"{shown(t.earlier.file.name)} and {shown(t.later.file.name)}" for t in group], "; ")
        where = f"concept '{one}'" if one == other else f"concepts '{one}' and '{other}'"
        what = "one is learned, and drawn pictures are compared with the other as with a new one. Remove one."
        what = what if leaks else "both count. Remove one unless that is meant."
        remark(f"{where}: {how} picture is there twice ({pairs}); {what}")


def twins(prints: Sequence[Print]) -> Iterator[Twins]:
    """Each picture that looks like an earlier one, with the one that it is nearest to."""
    if not prints:
        return
    plain = np.stack([one.plain for one in prints])
    for k, later in enumerate(prints[1:], 1):
        for own, how in ((later.plain, "nearly the same"), (later.mirrored, "the same mirrored")):
            gaps = np.mean((plain[:k] - own) ** 2, axis=1)
            earlier = prints[int(gaps.argmin())]
            if gaps.min() <= _NEAR**2:
                yield Twins(earlier, later, "the same" if earlier.exact == later.exact else how)
                break


def _kind(pair: Twins) -> tuple[str, str, str, bool]:
    return pair.earlier.concept, pair.later.concept, pair.how, pair.earlier.held != pair.later.held


def _colours(pictures: Pictures) -> NDArray[np.float32]:
    """The mean colours of a grid of blocks, float32 (n, at most 768)."""
    size = pictures.shape[1]
    starts = np.unique(np.linspace(0, size, _GRID + 1)[:-1].astype(int))
    sums = np.add.reduceat(np.add.reduceat(pictures.astype(np.float32), starts, axis=1), starts, axis=2)
    sides = np.diff([*starts, size]).astype(np.float32)
    means: NDArray[np.float32] = sums / (sides[:, None] * sides)[..., None]
    return means.reshape(len(pictures), -1)


def listed(names: Sequence[str], mark: str = ", ", most: int = 3) -> str:
    """Names in words, of many only the first: ``a, b``, ``a, b, c and 9 more``."""
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return mark.join(names[:most]) + rest
