"""Pictures of a concept: to learn from, to compare with, and those of its look-alikes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from .errors import BadInput
from .protocol import Pictures, Subject
from .spec import Concept, Suite, digest
from .toybox.world import CLASSES, portraits, unusual_individual

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
_TRAIN, _REFERENCE = 1, 2  # disjoint streams of the renderer
_LOOKALIKE = 900_000  # seeds of distractors; no concept of a suite may reach them


def subject(concept: Concept) -> Subject:
    """The concept as prompts speak of it."""
    return Subject(concept.name, concept.noun)


def training_pictures(suite: Suite, concept: Concept) -> Pictures:
    """The pictures to learn from, (n, size, size, 3); raises BadInput for a folder that cannot be used."""
    if concept.folder is not None:
        return _folder(suite, concept)[: suite.training.pictures]
    return _drawn(_identity(concept), suite.training.pictures, _TRAIN)


def reference_pictures(suite: Suite, concept: Concept) -> Pictures:
    """Real pictures to compare with: fresh renderings, or all pictures of the folder."""
    if concept.folder is not None:
        return _folder(suite, concept)
    return _drawn(_identity(concept), suite.evaluation.references, _REFERENCE)


def lookalike_pictures(suite: Suite, concept: Concept) -> list[Pictures]:
    """References of other individuals of the same class, one array each; empty for folders."""
    if concept.toybox is None:
        return []
    seeds = range(_LOOKALIKE, _LOOKALIKE + suite.evaluation.distractors)
    return [_drawn((concept.noun, seed), suite.evaluation.references, _REFERENCE) for seed in seeds]


def held_out_pictures(suite: Suite, concept: Concept) -> Pictures:
    """Real pictures in neither of the other two sets, for ceilings; empty for folders."""
    if concept.toybox is None:
        return _folder(suite, concept)[:0]
    return _drawn(_identity(concept), suite.evaluation.references, 3)


def content(suite: Suite, concept: Concept) -> str:
    """The content hash of a concept: its noun and the bytes it is learned from."""
    pictures = training_pictures(suite, concept)
    return digest([concept.name, concept.noun, picture_hash(pictures)])


def picture_hash(pictures: Pictures) -> str:
    """A hash (16 hexadecimal digits) of the shape and the bytes of pictures."""
    return hashlib.sha256(f"{pictures.shape} ".encode() + pictures.tobytes()).hexdigest()[:16]


def check_suite(suite: Suite) -> None:
    """Raise BadInput for the first concept whose pictures cannot be used."""
    for concept in suite.concepts:
        if concept.toybox is not None and concept.noun not in CLASSES:
            raise BadInput(
                f"concept '{concept.name}': the toybox world has no '{concept.noun}'; it has {', '.join(CLASSES)}."
            )
        training_pictures(suite, concept)


def _identity(concept: Concept) -> tuple[str, int]:
    assert concept.toybox is not None
    return concept.noun, concept.toybox


@lru_cache(maxsize=512)
def _drawn(identity: tuple[str, int], n: int, stream: int) -> Pictures:
    noun, seed = identity
    pictures = np.stack(portraits(unusual_individual(noun, seed), n, seed * 10 + stream))
    pictures.setflags(write=False)
    return pictures


def _folder(suite: Suite, concept: Concept) -> Pictures:
    folder = suite.root / str(concept.folder)
    if not folder.resolve().is_relative_to(suite.root.resolve()):
        raise BadInput(f"concept '{concept.name}': folder {folder} leads out of the folder of the spec.")
    files = sorted(_pictures_in(folder)) if folder.is_dir() else []
    if not files:
        raise BadInput(f"concept '{concept.name}': {folder} holds no pictures ({', '.join(sorted(SUFFIXES))}).")
    return np.stack([read_picture(file, suite.sampling.size) for file in files])


def _pictures_in(folder: Path) -> Iterable[Path]:
    return (f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES)


def read_picture(file: Path, size: int) -> Pictures:
    """One picture, upright, RGB, cut to its central square and resized: uint8 (size, size, 3)."""
    try:
        with Image.open(file) as image:
            upright = ImageOps.exif_transpose(image).convert("RGBA")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadInput(f"{file}: not a readable picture ({error}); replace or remove it.") from None
    white = Image.new("RGBA", upright.size, (255, 255, 255, 255))
    flat = Image.alpha_composite(white, upright).convert("RGB")
    return np.asarray(ImageOps.fit(flat, (size, size), Image.Resampling.BICUBIC))
