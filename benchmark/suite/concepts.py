"""Pictures of a concept: to learn from, to compare with, and those of its look-alikes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..errors import BadInput
from ..hashing import digest, picture_hash
from ..protocol import Pictures, Subject
from ..toybox.world import CLASSES, portraits, unusual_individual
from .images import read_picture, shown
from .spec import Concept, Suite

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
_TRAIN, _REFERENCE, _HELD_OUT = 1, 2, 3  # disjoint streams of the renderer
Subjects = tuple[Concept, ...]
_LEAST = 2  # pictures that a distance between distributions can be told from
_LOOKALIKE = 900_000  # seeds of distractors; no concept of a suite may reach them
_learned: ContextVar[str | None] = ContextVar("learned", default=None)


def subject_of(concept: Concept) -> Subject:
    """The concept as prompts speak of it."""
    return Subject(concept.name, concept.noun)


@contextmanager
def learning(concept: Concept) -> Iterator[None]:
    """While a concept is learned, nobody gets pictures of another from here."""
    before = _learned.set(concept.name)
    try:
        yield
    finally:
        _learned.reset(before)


def training_pictures(suite: Suite, concept: Concept) -> Pictures:
    """The pictures to learn from, (n, size, size, 3); raises BadInput for a folder that cannot be used."""
    if concept.folder is not None:
        return _folder(suite, concept)[: suite.training.pictures]
    return _drawn((_identity(concept),), suite.training.pictures, _TRAIN)


def reference_pictures(suite: Suite, concept: Concept) -> Pictures:
    """Real pictures to compare with: fresh renderings, or all pictures of the folder."""
    if concept.folder is not None:
        return _folder(suite, concept)
    return _drawn((_identity(concept),), suite.evaluation.references, _REFERENCE)


def pair_pictures(suite: Suite, who: Subjects) -> Pictures | None:
    """Real pictures of two concepts side by side; None for folders, which have none."""
    if any(c.toybox is None for c in who):
        return None
    return _drawn(tuple(map(_identity, who)), suite.evaluation.references, _REFERENCE)


def lookalike_pictures(suite: Suite, who: Subjects) -> list[Pictures]:
    """References of other individuals of the same class, one array each; empty for folders.

    Of a pair, one of the two is replaced in turn.
    """
    if any(c.toybox is None for c in who):
        return []
    cast = [_identity(c) for c in who]
    seeds = range(_LOOKALIKE, _LOOKALIKE + suite.evaluation.distractors)
    others = [
        tuple((n, seed) if k == at % len(cast) else (n, own) for k, (n, own) in enumerate(cast))
        for at, seed in enumerate(seeds)
    ]
    return [_drawn(other, suite.evaluation.references, _REFERENCE) for other in others]


def held_out_pictures(suite: Suite, who: Subjects) -> Pictures | None:
    """Real pictures for ceilings, in neither of the other two sets; a folder has no others than its own.

    None for a pair of which one is a folder.
    """
    if all(c.toybox is not None for c in who):
        return _drawn(tuple(map(_identity, who)), suite.evaluation.references, _HELD_OUT)
    return _folder(suite, who[0]) if len(who) == 1 else None


def unseen_pictures(suite: Suite, concept: Concept) -> Pictures:
    """Real pictures that nothing was learned from: fresh renderings, or the rest of the folder, which may be empty."""
    if concept.folder is not None:
        return _folder(suite, concept)[suite.training.pictures :]
    return _drawn((_identity(concept),), suite.evaluation.references, _HELD_OUT)


def content_hash(suite: Suite, concept: Concept) -> str:
    """The content hash of a concept: its noun and the bytes it is learned from."""
    pictures = training_pictures(suite, concept)
    return digest([concept.name, concept.noun, picture_hash(pictures)])


def reference_hash(suite: Suite, concept: Concept) -> str:
    """The content hash of all that is learned from a concept and that it is compared with."""
    learned = content_hash(suite, concept)
    return learned if concept.folder is None else digest([learned, picture_hash(_folder(suite, concept))])


def check_suite(suite: Suite) -> None:
    """Raise BadInput for the first concept whose pictures cannot be used."""
    for concept in suite.concepts:
        if concept.toybox is not None and concept.noun not in CLASSES:
            raise BadInput(
                f"concept '{concept.name}': the toybox world has no '{concept.noun}'; it has {', '.join(CLASSES)}."
            )
        if concept.folder is None:
            training_pictures(suite, concept)
        elif (n := len(_folder(suite, concept))) < _LEAST:
            raise BadInput(f"concept '{concept.name}': {concept.folder} holds {n} picture; give at least {_LEAST}.")


def _refuse_to_learners_of_another(concept: Concept) -> None:
    learned = _learned.get()
    if learned not in (None, concept.name):
        raise BadInput(
            f"pictures of '{concept.name}' were asked for while '{learned}' is learned: a method sees those of its own "
            "task; what it needs later it must keep in its state, and say so (keeps_pictures)."
        )


def _identity(concept: Concept) -> tuple[str, int]:
    assert concept.toybox is not None
    _refuse_to_learners_of_another(concept)
    return concept.noun, concept.toybox


@lru_cache(maxsize=1024)
def _drawn(cast: tuple[tuple[str, int], ...], n: int, stream: int) -> Pictures:
    """Renderings of one individual or of two together, told by class and seed."""
    seed = sum(own * 1_000_003**k for k, (_, own) in enumerate(cast))
    pictures = np.stack(portraits([unusual_individual(*one) for one in cast], n, seed * 10 + stream))
    pictures.setflags(write=False)
    return pictures


def _folder(suite: Suite, concept: Concept) -> Pictures:
    _refuse_to_learners_of_another(concept)
    folder = suite.root / str(concept.folder)
    if not _inside(folder, suite.root):
        raise BadInput(f"concept '{concept.name}': folder {folder} leads out of the folder of the spec.")
    try:
        files = _pictures_in(folder) if folder.is_dir() else []
    except OSError as error:
        raise BadInput(f"concept '{concept.name}': {folder} cannot be listed ({error.strerror}); allow it.") from None
    if not files:
        raise BadInput(f"concept '{concept.name}': {folder} holds no pictures ({', '.join(sorted(SUFFIXES))}).")
    if astray := [file for file in files if not _inside(file, suite.root)]:
        raise BadInput(f"{shown(astray[0])}: leads out of the folder of the spec; put a copy in its place.")
    return np.stack([read_picture(file, suite.sampling.size) for file in files])


def _inside(path: Path, root: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))  # resolve() raises on a loop of links


def _pictures_in(folder: Path) -> list[Path]:
    """What looks like a picture, by name; hidden files are the system's (`._cat.png` of macOS)."""
    return sorted(f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES and not f.name.startswith("."))


def label_of(subjects: tuple[Concept, ...]) -> str:
    """What pictures show, in a word: a concept, a pair of them, or none that is ever personalised."""
    return "+".join(c.name for c in subjects) or "prior"
