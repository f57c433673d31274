"""Scores pictures: gathers the features of a cell and computes the metrics of a profile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..models.aligners import Aligner
from ..models.feature_cache import FeatureCache
from ..protocol import Features, Pictures, Prompt
from ..suite.concepts import Subjects, lookalike_sets, pair_set, reference_set, same_set, subject_of, training_set
from ..suite.pair_sets import Kinds, noun_sets, outcome_sets
from ..suite.picture_sets import PictureSet
from ..suite.spec import Concept, Suite
from .cell import Cell, CellKind
from .metrics import rows
from .pairs import PAIRS
from .profiles import Profile


@dataclass(frozen=True)
class FeaturePair:
    """One extractor: the features (n, d) of drawn pictures, and of real ones (autoencoded if the profile says so)."""

    drawn: Callable[[Pictures], Features]
    real: Callable[[Pictures], Features]

    def of(self, real: PictureSet) -> Features:
        """The features (n, d) of real pictures; what a cache has is not rendered."""
        return self.real.of(real) if isinstance(self.real, FeatureCache) else self.real(real.pictures())


@dataclass(frozen=True)
class StoredImages:
    """Pictures from the store (n, h, w, 3), the prompt index of each (None for real ones), whether they are real."""

    pictures: Pictures
    prompts: list[int] | None
    real: bool = False


@dataclass(frozen=True)
class Scorer:
    """Scores the pictures of a suite under a profile.

    ``features`` are by name of the extractor; ``aligner`` is the name of its extractor, and the aligner itself.
    """

    suite: Suite
    profile: Profile
    features: Mapping[str, FeaturePair]
    aligner: tuple[str, Aligner] | None

    def rows(
        self, subjects: tuple[Concept, ...], images: StoredImages, before: StoredImages | None
    ) -> list[dict[str, Any]]:
        """The rows (metric, prompt, value, n, se) of pictures of one concept, of a pair, or of none for the prior.

        Drift is measured against ``before``: pictures of the same prompts by an earlier model.
        """
        cells: dict[str, Cell] = {}
        found: list[dict[str, Any]] = []
        for name in self.profile.metrics:
            extractor = name.partition("@")[2] or self.profile.extractor
            if extractor not in cells:
                cells[extractor] = self.cell(extractor, subjects, images, before)
            found += rows(name, cells[extractor], self.profile)
        return found

    def cell(
        self, extractor: str, subjects: tuple[Concept, ...], images: StoredImages, before: StoredImages | None
    ) -> Cell:
        """The cell of some pictures, with the features of one extractor."""
        features = self.features[extractor]
        extract = features.real if images.real else features.drawn
        prompts = None if images.prompts is None else np.array(images.prompts)
        drawn = extract(images.pictures)
        embedded, texts = (
            self._aligned(subjects, images) if prompts is not None and len(subjects) == 1 else (None, None)
        )
        real, rivals = self._compared(features, subjects)
        return Cell(
            kind=_kind(subjects),
            pictures=images.pictures,
            prompts=prompts,
            drawn=drawn,
            real=real,
            rivals=rivals,
            each=tuple(features.of(reference_set(self.suite, c)) for c in subjects),
            outcomes=self._kinds(outcome_sets, features, subjects),
            nouns=self._kinds(noun_sets, features, subjects),
            training=features.of(training_set(self.suite, subjects[0])) if len(subjects) == 1 else None,
            before=None if before is None else features.drawn(before.pictures),
            embedded=embedded,
            texts=texts,
            same=images.real and len(subjects) == 1 and same_set(self.suite, subjects[0]),
        )

    def _compared(
        self, features: FeaturePair, subjects: tuple[Concept, ...]
    ) -> tuple[Features | None, tuple[Features, ...]]:
        """The features of real pictures of the subjects, and of their look-alikes."""
        if not subjects:
            return None, ()
        real = reference_set(self.suite, subjects[0]) if len(subjects) == 1 else pair_set(self.suite, subjects)
        rivals = tuple(map(features.of, lookalike_sets(self.suite, subjects)))
        return None if real is None else features.of(real), rivals

    def _kinds(
        self, sets: Callable[[Suite, Subjects], Kinds], features: FeaturePair, subjects: Subjects
    ) -> dict[str, tuple[Features, ...]]:
        """The features of what a picture of a pair may show, by kind; none where no metric asks for them."""
        if len(subjects) < 2 or not set(PAIRS).intersection(m.partition("@")[0] for m in self.profile.metrics):
            return {}
        return {kind: tuple(map(features.of, found)) for kind, found in sets(self.suite, subjects).items()}

    def _aligned(self, subjects: tuple[Concept, ...], images: StoredImages) -> tuple[Features | None, Features | None]:
        """Pictures and their prompts (n, e) in the space of the aligner; prompts have nouns in place of tokens."""
        if self.aligner is None or images.prompts is None:
            return None, None
        extractor, aligner = self.aligner
        named = tuple(subject_of(c) for c in subjects)
        texts = [Prompt(t, named).render(lambda s: s.noun) for t in self.suite.prompts.evaluation]
        return aligner.image(self.features[extractor].drawn(images.pictures)), aligner.text(texts)[images.prompts]


def _kind(subjects: tuple[Concept, ...]) -> CellKind:
    kinds: tuple[CellKind, ...] = ("prior", "concept", "pair")
    return kinds[len(subjects)]
