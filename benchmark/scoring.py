"""Scores of a cell: pictures of one concept against its real ones, its look-alikes and its prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from . import data, metrics
from .metrics import Features
from .protocol import Pictures, Prompt
from .spec import Concept, Suite


class Aligner(Protocol):
    """Pictures (by their features) and sentences in one space."""

    def image(self, features: Features) -> Features:
        """Embeddings (n, e) of features (n, d)."""
        ...

    def text(self, texts: list[str]) -> Features:
        """Embeddings (n, e) of sentences."""
        ...


@dataclass(frozen=True)
class Scorer:
    """Scores pictures of the concepts of one suite, from the features of drawn and those of real pictures."""

    suite: Suite
    drawn: Callable[[Pictures], Features]
    real: Callable[[Pictures], Features]
    aligner: Aligner | None

    def rows(self, concept: Concept, pictures: Pictures, prompts: list[int] | None) -> list[dict[str, Any]]:
        """Rows (metric, prompt, value, n) for pictures (n, h, w, 3); ``prompts[k]`` is the prompt of picture k.

        Without ``prompts`` the pictures are real ones: their scores are the ceiling, and no text is compared.
        """
        drawn = self.real(pictures) if prompts is None else self.drawn(pictures)
        real = self.real(data.reference_pictures(self.suite, concept))
        rows = [
            _row(name, None, f(drawn, real), len(drawn)) for name, f in (("mmd", metrics.mmd), ("kid", metrics.kid))
        ]
        for name, values in self._per_picture(concept, drawn, real, prompts):
            rows += _by_prompt(name, values, prompts)
        return rows

    def _per_picture(
        self, concept: Concept, drawn: Features, real: Features, prompts: list[int] | None
    ) -> Iterator[tuple[str, Features]]:
        yield "image_align", metrics.image_align(drawn, real)
        if lookalikes := data.lookalike_pictures(self.suite, concept):
            yield "identity", metrics.identity(drawn, [real, *(self.real(p) for p in lookalikes)])
        if prompts is not None and self.aligner is not None:
            who = (data.subject(concept),)
            texts = [Prompt(t, who).render(lambda s: s.noun) for t in self.suite.prompts.evaluation]
            yield "text_align", metrics.text_align(self.aligner.image(drawn), self.aligner.text(texts)[prompts])


def _row(metric: str, prompt: int | None, value: float, n: int) -> dict[str, Any]:
    better = metrics.HIGHER_IS_BETTER[metric]
    return {"metric": metric, "prompt": prompt, "value": value, "n": n, "higher_is_better": better}


def _by_prompt(metric: str, values: Features, prompts: list[int] | None) -> list[dict[str, Any]]:
    """One row a prompt with the mean over its pictures; one row in all for real pictures."""
    if prompts is None:
        return [_row(metric, None, float(values.mean()), len(values))]
    of = np.array(prompts)
    return [_row(metric, p, float(values[of == p].mean()), int((of == p).sum())) for p in sorted(set(prompts))]
