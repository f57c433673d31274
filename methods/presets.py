"""Published settings of methods, with their sources, and those that hold where nothing was tuned: on real models.

Grades: A, printed in the authors' own repository; B, a maintained library or trainer; C, a re-implementation that
printed a sweep or a result; D, a copy by a third party.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from ..benchmark.errors import unknown

EMBEDDED = ("toybox", "tiny")
"""The backbones for which methods are tuned."""
FIELD: Mapping[str, tuple[str, ...]] = {
    "tokens": ("ti/diffusers",),
    "kv": ("cd/authors",),
    "lora": ("lora/cifc", "lora/diffusers-t2i"),
    "vera": ("lora/cifc", "vera/peft", "vera/peft-image"),
}
"""The presets whose values a method with an adapter has on any other backbone; the last one that has a value counts."""


@dataclass(frozen=True)
class Preset:
    """Published values of the options of a ``method``, by ``section.option``, for a ``backbone``.

    ``suite``: what a suite decides: updates per task, batch, and size of pictures.
    """

    name: str
    method: str
    backbone: str
    values: Mapping[str, float]
    source: str
    grade: str
    suite: Mapping[str, int] = field(default_factory=dict)
    note: str = ""


@cache
def presets() -> Mapping[str, Preset]:
    """All presets by name."""
    found = json.loads((files(__package__) / "presets.json").read_text(encoding="utf-8"))
    return {one["name"]: Preset(**one) for one in found}


def settings_of(name: str) -> dict[str, str]:
    """The values of a preset as ``--set`` reads them; raises BadInput for an unknown one."""
    if name not in presets():
        raise unknown("preset", name, list(presets()))
    return {key: f"{value:g}" for key, value in presets()[name].values.items()}


def field_values(adapter: str, options: Mapping[str, Any]) -> dict[str, tuple[str, Preset]]:
    """The values that methods of an adapter have on real models, with their presets, for the sections of ``options``.

    Rates of a consolidation that trains the adapter by itself, such as that of DSC, are the rate of the adapter.
    """
    found: dict[str, tuple[str, Preset]] = {}
    for name in FIELD.get(adapter, ()):
        found |= {key: (value, presets()[name]) for key, value in settings_of(name).items()}
    if "dsc" in options and "learner.rate" in found:
        found["dsc.rate"] = found["learner.rate"]
    return {key: value for key, value in found.items() if key.partition(".")[0] in options}
