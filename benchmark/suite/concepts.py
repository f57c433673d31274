"""The pictures of a concept: for training, for reference, held out, and of its look-alikes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from ..errors import BadInput
from ..hashing import digest, picture_hash
from ..protocol import Pictures, Subject
from ..toybox.world import CLASSES
from ..wording import shown
from .folders import Part, check_folder, folder_captions, folder_crops, folder_of, folder_pictures
from .picture_sets import Photographs, PictureSet, Rendering
from .spec import FIRST_LOOKALIKE, Concept, Suite
from .twins import Print, remark_on_twins

_TRAIN, REFERENCE, HELD_OUT = 1, 2, 3
"""Disjoint streams of the renderer."""
Subjects = tuple[Concept, ...]
_learned: ContextVar[str | None] = ContextVar("learned", default=None)


def subject_of(concept: Concept) -> Subject:
    """The concept as prompts name it."""
    return Subject(concept.name, concept.noun)


@contextmanager
def learning(concept: Concept) -> Iterator[None]:
    """Inside this block, asking for pictures of any other concept raises BadInput."""
    before = _learned.set(concept.name)
    try:
        yield
    finally:
        _learned.reset(before)


def training_set(suite: Suite, concept: Concept) -> PictureSet:
    """The training pictures (n, size, size, 3): renderings, or the first n of the folder.

    Raises BadInput if the folder cannot be used.
    """
    if concept.folder is not None:
        return Photographs(_folder(suite, concept, "learned"))
    return Rendering((toybox_source(concept),), suite.training.pictures, _TRAIN)


def training_pictures(suite: Suite, concept: Concept) -> Pictures:
    """The pictures of :func:`training_set`."""
    return training_set(suite, concept).pictures()


def training_views(suite: Suite, concept: Concept) -> Pictures | None:
    """What updates see in place of the training pictures: other squares of each, and mirrored ones; None: them.

    The views of one picture are together.
    """
    asked = suite.training
    if not (asked.flip or asked.crops):
        return None
    _check_own_task(concept)
    seen = folder_crops(suite, concept) if asked.crops else training_pictures(suite, concept)
    return np.stack([seen, seen[:, :, ::-1]], 1).reshape(-1, *seen.shape[1:]) if asked.flip else seen


def training_captions(suite: Suite, concept: Concept) -> tuple[str, ...]:
    """The prompt of each picture that updates see, if the suite asks for captions."""
    if not suite.training.captions:
        return ()
    _check_own_task(concept)
    views = max(1, suite.training.crops) * (2 if suite.training.flip else 1)
    return tuple(text for text in folder_captions(suite, concept) for _ in range(views))


def reference_set(suite: Suite, concept: Concept) -> PictureSet:
    """The real pictures that drawn ones are compared with: other renderings, or those of the folder."""
    if concept.folder is not None:
        return Photographs(_folder(suite, concept, suite.evaluation.compare))
    return Rendering((toybox_source(concept),), suite.evaluation.references, REFERENCE)


def reference_pictures(suite: Suite, concept: Concept) -> Pictures:
    """The pictures of :func:`reference_set`."""
    return reference_set(suite, concept).pictures()


def pair_set(suite: Suite, who: Subjects) -> PictureSet | None:
    """Real pictures of two concepts side by side; None if either comes from a folder."""
    if any(c.toybox is None for c in who):
        return None
    return Rendering(tuple(map(toybox_source, who)), suite.evaluation.references, REFERENCE)


def pair_pictures(suite: Suite, who: Subjects) -> Pictures | None:
    """The pictures of :func:`pair_set`."""
    both = pair_set(suite, who)
    return None if both is None else both.pictures()


def lookalike_sets(suite: Suite, who: Subjects, stream: int = REFERENCE) -> list[Rendering]:
    """Reference pictures of other individuals of the same class, one set per look-alike; empty for folders.

    For a pair, look-alikes replace the first concept, the second, and both, in turn.
    """
    if any(c.toybox is None for c in who):
        return []
    sources, n = [toybox_source(c) for c in who], suite.evaluation.distractors
    replaced = ((0,), (1,), (0, 1)) if len(who) == 2 else ((0,),)
    others = [
        tuple(
            (noun, FIRST_LOOKALIKE + at + k * n) if k in replaced[at % len(replaced)] else (noun, own)
            for k, (noun, own) in enumerate(sources)
        )
        for at in range(n)
    ]
    return [Rendering(other, suite.evaluation.references, stream) for other in others]


def lookalike_pictures(suite: Suite, who: Subjects) -> list[Pictures]:
    """The pictures of :func:`lookalike_sets`, one array per look-alike."""
    return [other.pictures() for other in lookalike_sets(suite, who)]


def held_out_pictures(suite: Suite, who: Subjects) -> Pictures | None:
    """Real pictures for ceilings: in neither the training nor the reference set.

    Of a folder, which has no third set, those that are compared with; or those that are learned, if unseen ones are.
    None for a pair if either concept comes from a folder.
    """
    if all(c.toybox is not None for c in who):
        return Rendering(tuple(map(toybox_source, who)), suite.evaluation.references, HELD_OUT).pictures()
    part: Part = "learned" if suite.evaluation.compare == "unseen" else "all"
    return _folder(suite, who[0], part) if len(who) == 1 else None


def same_set(suite: Suite, concept: Concept) -> bool:
    """Whether the pictures of :func:`held_out_pictures` are those that pictures are compared with."""
    return concept.folder is not None and suite.evaluation.compare == "all"


def unseen_pictures(suite: Suite, concept: Concept) -> Pictures:
    """Real pictures that are not in the training set: other renderings, or the rest of the folder, perhaps none."""
    if concept.folder is not None:
        return _folder(suite, concept, "unseen")
    return Rendering((toybox_source(concept),), suite.evaluation.references, HELD_OUT).pictures()


def content_hash(suite: Suite, concept: Concept) -> str:
    """A hash of a concept's name, noun and training pictures."""
    pictures, views = training_pictures(suite, concept), training_views(suite, concept)
    more: list[Any] = [] if views is None else [picture_hash(views)]
    more += [list(captions)] if (captions := training_captions(suite, concept)) else []
    return digest([concept.name, concept.noun, picture_hash(pictures), *more])


def reference_hash(suite: Suite, concept: Concept) -> str:
    """A hash of a concept's name, noun, training and reference pictures."""
    learned = content_hash(suite, concept)
    if concept.folder is None:
        return learned
    unseen = ["unseen"] if suite.evaluation.compare == "unseen" else []
    return digest([learned, picture_hash(_folder(suite, concept)), *unseen])


def check_suite(suite: Suite, remark: Callable[[str], None] = lambda _: None) -> None:
    """Raise BadInput for the first concept whose class or pictures cannot be used.

    ``remark`` is called with a sentence about what a person should know of the folders: files that are passed over,
    and pictures that are there twice.
    """
    for name in suite.data:
        if not (suite.root / name).is_dir():
            raise BadInput(
                f"suite {suite.name}: the data set {name} is not on this machine; run 'cpbench data fetch {name}'."
            )
    prints = list[Print]()
    for concept in suite.concepts:
        if concept.toybox is not None and concept.noun not in CLASSES:
            raise BadInput(
                f"concept '{concept.name}': the toybox world has no '{concept.noun}'; choose from {', '.join(CLASSES)}."
            )
        if concept.folder is None and (lacks := _of_folders_only(suite)):
            raise BadInput(f"training.{lacks} is for folders of pictures, and '{concept.name}' is drawn; remove it.")
        if concept.folder is not None:
            _check_own_task(concept)
            prints += check_folder(suite, concept, remark)
    _check_folders_differ(suite)
    remark_on_twins(prints, remark)


def _of_folders_only(suite: Suite) -> str | None:
    """A field of the training that toybox concepts have no use for."""
    return "crops" if suite.training.crops else "captions" if suite.training.captions else None


def _check_folders_differ(suite: Suite) -> None:
    """Raise BadInput for two concepts of one folder, also by a link or in other letters of upper and lower case."""
    first = dict[tuple[int, int], Concept]()
    for concept in (c for c in suite.concepts if c.folder is not None):
        found = folder_of(suite, concept).stat()
        other = first.setdefault((found.st_dev, found.st_ino), concept)
        if other is not concept:
            raise BadInput(
                f"concepts '{other.name}' and '{concept.name}' have the same folder ({shown(other.folder)} and "
                f"{shown(concept.folder)}); remove one."
            )


def _check_own_task(concept: Concept) -> None:
    learned = _learned.get()
    if learned not in (None, concept.name):
        raise BadInput(
            f"a method asked for pictures of '{concept.name}' while it was learning '{learned}'. It may use the "
            "pictures of its own task only; to use them later, save them in its state and set keeps_pictures = True."
        )


def toybox_source(concept: Concept) -> tuple[str, int]:
    """The class and the seed of a toybox concept; raises BadInput while another concept is learned."""
    assert concept.toybox is not None
    _check_own_task(concept)
    return concept.noun, concept.toybox


def _folder(suite: Suite, concept: Concept, part: Part = "all") -> Pictures:
    _check_own_task(concept)
    return folder_pictures(suite, concept, part)


def label_of(subjects: tuple[Concept, ...]) -> str:
    """A short name of the subjects of a picture: ``mallow``, ``mallow+rumble``, or ``prior`` for none."""
    return "+".join(c.name for c in subjects) or "prior"
