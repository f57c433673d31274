"""Score the pictures of a unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...plain_json import json_text
from ...plan.units import Measure
from ...protocol import Tick, Watch
from ...scoring.scorer import Scorer, StoredImages
from ...storage.store import Store
from .pictures import read_pictures


def measure(unit: Measure, scorer: Scorer, store: Store, folder: Path, watch: Watch) -> dict[str, Any]:
    """Write the rows of all metrics to ``scores.json``."""
    before = _stored(unit.before, store) if unit.before else None
    seen = _stored(unit.pictures, store, real=unit.real)
    watch(Tick("score", 0, len(seen.pictures)))
    (folder / "scores.json").write_text(json_text(scorer.rows(unit.subjects, seen, before)))
    watch(Tick("score", len(seen.pictures), len(seen.pictures)))
    return {}


def _stored(key: str, store: Store, *, real: bool = False) -> StoredImages:
    pictures = read_pictures(store.read(key))
    return StoredImages(pictures, store.meta(key)["measured"].get("prompt_of_picture"), real)
