"""Cells of the matrix: what a metric reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..protocol import Features, Pictures
from . import functional

_PER_PICTURE = ("pictures", "prompts", "drawn", "before", "embedded", "texts")  # fields with one row per picture
CellKind = Literal["concept", "pair", "prior"]


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix: n pictures, and what they are compared with. Fields that do not apply are None or empty.

    ``kind``: the pictures show one concept, a pair of concepts, or the prior (things that are never personalised).
    ``pictures``: uint8 (n, h, w, 3); the other fields are features (·, d) of one extractor, one row per picture.
    ``prompts``: the index of each picture's prompt, (n,); None for real pictures.
    ``drawn``: the pictures to score. ``real``: real pictures of the same subjects. ``rivals``: real pictures of
    look-alikes, one array per look-alike. ``each``: real pictures of each subject of a pair, one array per subject.
    ``outcomes``, ``nouns``: real pictures of what a picture of a pair may show, by kind, any number of arrays per kind
    (:mod:`..suite.pair_sets`); empty where no metric of the profile needs them.
    ``training``: the training pictures. ``before``: pictures that an earlier model drew for the same prompts.
    ``embedded``, ``texts``: the pictures and their prompts in the space of the aligner, (n, e).
    ``same``: the pictures are those in ``real``, so none may be compared with itself.
    """

    kind: CellKind
    pictures: Pictures
    prompts: NDArray[np.int64] | None
    drawn: Features
    real: Features | None = None
    rivals: tuple[Features, ...] = ()
    each: tuple[Features, ...] = ()
    training: Features | None = None
    before: Features | None = None
    embedded: Features | None = None
    texts: Features | None = None
    same: bool = False
    outcomes: Mapping[str, tuple[Features, ...]] = field(default_factory=dict)
    nouns: Mapping[str, tuple[Features, ...]] = field(default_factory=dict)

    @cached_property
    def shown(self) -> NDArray[np.str_]:
        """The kind of ``outcomes`` that each drawn picture shows, (n,): one decision for all metrics."""
        return functional.outcomes(self.drawn, self.outcomes)

    def without(self, prompt: int) -> Cell:
        """The cell without the pictures of one prompt."""
        assert self.prompts is not None
        kept = self.prompts != prompt
        rows: dict[str, Any] = {name: v[kept] for name in _PER_PICTURE if (v := getattr(self, name)) is not None}
        return replace(self, **rows)
