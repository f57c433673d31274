"""Classify real pictures among concepts by the noise error of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...plain_json import json_text
from ...plan.units import Classify
from ...protocol import Explaining, Prompt, Tick, Watch
from ...scoring.classifier import classify as classified
from ...scoring.classifier import confusion, picked
from ...suite.concepts import subject_of, unseen_pictures
from ...suite.spec import Suite
from .method import Loaded


def classify(unit: Classify, suite: Suite, loaded: Loaded, folder: Path, watch: Watch) -> dict[str, Any]:
    """Write ``confusion.json``; an empty table for a method that does not give its noise error."""
    if unit.state is None or unit.method is None:
        table = _confusion(unit, suite, loaded.backbone, watch)
    else:
        with loaded.method(unit.method.make, unit.state) as method:
            table = _confusion(unit, suite, method, watch)
    (folder / "confusion.json").write_text(json_text(table))
    return {}


def _confusion(unit: Classify, suite: Suite, model: Any, watch: Watch) -> list[list[int]]:
    table: list[list[int]] = []
    if isinstance(model, Explaining):
        there = [unseen_pictures(suite, c) for c in unit.concepts]
        held = [own[some] for own, some in zip(there, picked(list(map(len, there))), strict=True)]
        truth = [k for k, pictures in enumerate(held) for _ in pictures]
        prompts = [Prompt(suite.prompts.train, (subject_of(c),)) for c in unit.concepts]
        watch(Tick("classify", 0, len(truth)))
        found = classified(model.explain, np.concatenate(held), prompts) if truth else np.array([], np.int64)
        table = confusion(truth, found, len(held)).tolist()
        watch(Tick("classify", len(truth), len(truth)))
    return table
