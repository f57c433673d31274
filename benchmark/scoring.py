"""Scores of a cell: pictures of one concept against its real ones and its look-alikes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import data, metrics
from .metrics import Features
from .protocol import Pictures
from .spec import Concept, Suite


@dataclass(frozen=True)
class Scorer:
    """Scores pictures of the concepts of one suite; ``features`` caches what real pictures give."""

    suite: Suite
    features: Callable[[Pictures], Features]

    def rows(self, concept: Concept, pictures: Pictures, prompts: list[int] | None) -> list[dict[str, Any]]:
        """Rows (metric, prompt, value, n) for pictures (n, h, w, 3); ``prompts[k]`` is the prompt of picture k.

        Without ``prompts`` the pictures are real ones: their scores are the ceiling.
        """
        drawn = self.features(pictures)
        real = self.features(data.reference_pictures(self.suite, concept))
        rows = [
            _row(name, None, f(drawn, real), len(drawn)) for name, f in (("mmd", metrics.mmd), ("kid", metrics.kid))
        ]
        for name, values in self._per_picture(concept, drawn, real):
            rows += _by_prompt(name, values, prompts)
        return rows

    def _per_picture(self, concept: Concept, drawn: Features, real: Features) -> Iterator[tuple[str, Features]]:
        yield "image_align", metrics.image_align(drawn, real)
        if lookalikes := data.lookalike_pictures(self.suite, concept):
            yield "identity", metrics.identity(drawn, [real, *(self.features(p) for p in lookalikes)])


def _row(metric: str, prompt: int | None, value: float, n: int) -> dict[str, Any]:
    better = metrics.HIGHER_IS_BETTER[metric]
    return {"metric": metric, "prompt": prompt, "value": value, "n": n, "higher_is_better": better}


def _by_prompt(metric: str, values: Features, prompts: list[int] | None) -> list[dict[str, Any]]:
    """One row a prompt with the mean over its pictures; one row in all for real pictures."""
    if prompts is None:
        return [_row(metric, None, float(values.mean()), len(values))]
    of = np.array(prompts)
    return [_row(metric, p, float(values[of == p].mean()), int((of == p).sum())) for p in sorted(set(prompts))]
