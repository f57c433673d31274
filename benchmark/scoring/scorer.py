"""Scores of pictures: gathers what a cell is compared with, and asks the metrics of a profile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..models.aligners import Aligner
from ..plan.units import Measure
from ..protocol import Features, Pictures, Prompt
from ..suite import concepts as data
from ..suite.spec import Concept, Suite
from .metrics import Cell, Kind, rows
from .profiles import Profile


@dataclass(frozen=True)
class Eyes:
    """One extractor: features (n, d) of drawn pictures, and of real ones as they are compared with them."""

    drawn: Callable[[Pictures], Features]
    real: Callable[[Pictures], Features]


@dataclass(frozen=True)
class Seen:
    """Pictures from the store with the index of the prompt of each; None for real ones."""

    pictures: Pictures
    prompts: list[int] | None


@dataclass(frozen=True)
class Scorer:
    """Scores pictures of a suite under a profile; ``eyes`` by extractor, ``aligner`` with the extractor it reads."""

    suite: Suite
    profile: Profile
    eyes: Mapping[str, Eyes]
    aligner: tuple[str, Aligner] | None

    def rows(self, unit: Measure, seen: Seen, before: Seen | None) -> list[dict[str, Any]]:
        """Rows (metric, prompt, value, n, se) of the pictures of a unit; ``before``: those it tells the drift from."""
        cells: dict[str, Cell] = {}
        found: list[dict[str, Any]] = []
        for name in self.profile.metrics:
            extractor = name.partition("@")[2] or self.profile.extractor
            if extractor not in cells:
                cells[extractor] = self.cell(extractor, unit, seen, before)
            found += rows(name, cells[extractor], self.profile)
        return found

    def cell(self, extractor: str, unit: Measure, seen: Seen, before: Seen | None) -> Cell:
        """What the metrics see of a unit through one extractor."""
        eyes, who = self.eyes[extractor], unit.subjects
        look = eyes.real if unit.real else eyes.drawn
        prompts = None if seen.prompts is None else np.array(seen.prompts)
        drawn = look(seen.pictures)
        embedded, texts = self._aligned(who, seen) if prompts is not None and len(who) == 1 else (None, None)
        real, rivals = self._compared(eyes, who)
        return Cell(
            kind=_kind(who),
            pictures=seen.pictures,
            prompts=prompts,
            drawn=drawn,
            real=real,
            rivals=rivals,
            each=tuple(eyes.real(data.reference_pictures(self.suite, c)) for c in who),
            training=eyes.real(data.training_pictures(self.suite, who[0])) if len(who) == 1 else None,
            before=None if before is None else eyes.drawn(before.pictures),
            embedded=embedded,
            texts=texts,
            same=unit.real and len(who) == 1 and who[0].folder is not None,
        )

    def _compared(self, eyes: Eyes, who: tuple[Concept, ...]) -> tuple[Features | None, tuple[Features, ...]]:
        """Real pictures of the same subjects, and those of their look-alikes."""
        if not who:
            return None, ()
        real = data.reference_pictures(self.suite, who[0]) if len(who) == 1 else data.pair_pictures(self.suite, who)
        return None if real is None else eyes.real(real), tuple(
            map(eyes.real, data.lookalike_pictures(self.suite, who))
        )

    def _aligned(self, who: tuple[Concept, ...], seen: Seen) -> tuple[Features | None, Features | None]:
        """Pictures and their prompts in one space, each subject said by its noun."""
        if self.aligner is None or seen.prompts is None:
            return None, None
        extractor, aligner = self.aligner
        subjects = tuple(data.subject(c) for c in who)
        texts = [Prompt(t, subjects).render(lambda s: s.noun) for t in self.suite.prompts.evaluation]
        return aligner.image(self.eyes[extractor].drawn(seen.pictures)), aligner.text(texts)[seen.prompts]


def _kind(who: tuple[Concept, ...]) -> Kind:
    kinds: tuple[Kind, ...] = ("prior", "concept", "pair")
    return kinds[len(who)]
