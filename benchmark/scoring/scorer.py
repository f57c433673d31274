"""Scores of pictures: gathers what a cell is compared with, and asks the metrics of a profile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..models.aligners import Aligner
from ..protocol import Features, Pictures, Prompt
from ..suite.concepts import lookalike_pictures, pair_pictures, reference_pictures, subject_of, training_pictures
from ..suite.spec import Concept, Suite
from .metrics import Cell, CellKind, rows
from .profiles import Profile


@dataclass(frozen=True)
class FeaturePair:
    """One extractor: features (n, d) of drawn pictures, and of real ones as they are compared with them."""

    drawn: Callable[[Pictures], Features]
    real: Callable[[Pictures], Features]


@dataclass(frozen=True)
class StoredImages:
    """Pictures from the store with the index of the prompt of each (None for real ones), and whether they are real."""

    pictures: Pictures
    prompts: list[int] | None
    real: bool = False


@dataclass(frozen=True)
class Scorer:
    """Scores pictures of a suite under a profile; ``features`` by extractor, ``aligner`` with its extractor."""

    suite: Suite
    profile: Profile
    features: Mapping[str, FeaturePair]
    aligner: tuple[str, Aligner] | None

    def rows(self, who: tuple[Concept, ...], seen: StoredImages, before: StoredImages | None) -> list[dict[str, Any]]:
        """Rows (metric, prompt, value, n, se) of pictures of ``who``; ``before``: earlier ones to tell the drift from.

        ``who`` is one concept, a pair, or empty for the prior.
        """
        cells: dict[str, Cell] = {}
        found: list[dict[str, Any]] = []
        for name in self.profile.metrics:
            extractor = name.partition("@")[2] or self.profile.extractor
            if extractor not in cells:
                cells[extractor] = self.cell(extractor, who, seen, before)
            found += rows(name, cells[extractor], self.profile)
        return found

    def cell(self, extractor: str, who: tuple[Concept, ...], seen: StoredImages, before: StoredImages | None) -> Cell:
        """What the metrics see of pictures through one extractor."""
        features = self.features[extractor]
        look = features.real if seen.real else features.drawn
        prompts = None if seen.prompts is None else np.array(seen.prompts)
        drawn = look(seen.pictures)
        embedded, texts = self._aligned(who, seen) if prompts is not None and len(who) == 1 else (None, None)
        real, rivals = self._compared(features, who)
        return Cell(
            kind=_kind(who),
            pictures=seen.pictures,
            prompts=prompts,
            drawn=drawn,
            real=real,
            rivals=rivals,
            each=tuple(features.real(reference_pictures(self.suite, c)) for c in who),
            training=features.real(training_pictures(self.suite, who[0])) if len(who) == 1 else None,
            before=None if before is None else features.drawn(before.pictures),
            embedded=embedded,
            texts=texts,
            same=seen.real and len(who) == 1 and who[0].folder is not None,
        )

    def _compared(
        self, features: FeaturePair, who: tuple[Concept, ...]
    ) -> tuple[Features | None, tuple[Features, ...]]:
        """Real pictures of the same subjects, and those of their look-alikes."""
        if not who:
            return None, ()
        real = reference_pictures(self.suite, who[0]) if len(who) == 1 else pair_pictures(self.suite, who)
        return None if real is None else features.real(real), tuple(
            map(features.real, lookalike_pictures(self.suite, who))
        )

    def _aligned(self, who: tuple[Concept, ...], seen: StoredImages) -> tuple[Features | None, Features | None]:
        """Pictures and their prompts in one space, each subject said by its noun."""
        if self.aligner is None or seen.prompts is None:
            return None, None
        extractor, aligner = self.aligner
        subjects = tuple(subject_of(c) for c in who)
        texts = [Prompt(t, subjects).render(lambda s: s.noun) for t in self.suite.prompts.evaluation]
        return aligner.image(self.features[extractor].drawn(seen.pictures)), aligner.text(texts)[seen.prompts]


def _kind(who: tuple[Concept, ...]) -> CellKind:
    kinds: tuple[CellKind, ...] = ("prior", "concept", "pair")
    return kinds[len(who)]
