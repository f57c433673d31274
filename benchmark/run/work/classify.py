"""Classify real pictures among concepts by the noise error of a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...plain_json import json_text
from ...plan.units import Classify
from ...protocol import Explaining, Prompt, Tick, Watch
from ...scoring.classifier import Answers, alike, picked, rows
from ...scoring.classifier import classify as classified
from ...suite.concepts import subject_of, unseen_pictures
from ...suite.spec import Suite
from .method import Loaded


def classify(unit: Classify, suite: Suite, loaded: Loaded, folder: Path, watch: Watch) -> dict[str, Any]:
    """Write the rows to ``classified.json``; none for a method that does not give its noise error."""
    if unit.state is None or unit.method is None:
        found = list(_rows(unit, suite, loaded.backbone, watch))
    else:
        with loaded.method(unit.method.make, unit.state) as method:
            found = list(_rows(unit, suite, method, watch))
    (folder / "classified.json").write_text(json_text(found))
    return {}


def _rows(unit: Classify, suite: Suite, model: Any, watch: Watch) -> Iterator[dict[str, Any]]:
    if not isinstance(model, Explaining):
        return
    there = [unseen_pictures(suite, c) for c in unit.concepts]
    known: tuple[list[Prompt], list[int], Answers] | None = None
    for bare, phase in zip(unit.bare, ("classify", "classify by token"), strict=False):
        held = [own[some] for own, some in zip(there, picked(list(map(len, there)), bare=bare), strict=True)]
        truth, pictures = [k for k, own in enumerate(held) for _ in own], np.concatenate(held)
        if not truth:
            return
        prompts = [Prompt(suite.prompts.train, (subject_of(c),), bare=bare) for c in unit.concepts]
        watch(Tick(phase, 0, len(truth)))
        if known is None or not alike(model.explain, pictures, known[0], prompts):
            known = prompts, truth, classified(model.explain, pictures, prompts)
        yield from rows([c.name for c in unit.concepts], *known[1:], bare=bare)
        watch(Tick(phase, len(truth), len(truth)))
