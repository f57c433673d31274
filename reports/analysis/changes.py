"""How much each layer changed in each task."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .entry import Entry

_LOGGED = "change."


_STAGES = {"down_blocks": "down", "mid_block": "mid", "up_blocks": "up"}


@dataclass(frozen=True)
class Changes:
    """Mean |ΔW| of each layer in each task, (layers, T); NaN where it was not logged."""

    layers: tuple[str, ...]
    values: NDArray[np.float64]


def layer_changes(runs: Sequence[Entry]) -> Changes:
    """Geometric means over runs, layers in the order of the network; no layers where none was logged."""
    figures = [[c.figures for c in e.cost] for e in runs if e.cost]
    found = {name for run in figures for f in run for name in f if name.startswith(_LOGGED)}
    layers = sorted((name.removeprefix(_LOGGED) for name in found), key=_place)
    values = [
        [_mean([run[i].get(_LOGGED + x, np.nan) for run in figures]) for i in range(runs[0].tasks)] for x in layers
    ]
    return Changes(tuple(map(_short, layers)), np.array(values).reshape(len(layers), runs[0].tasks))


def _mean(values: Sequence[float]) -> float:
    """The geometric mean; zero where a run learned nothing."""
    if np.isnan(values).any() or not len(values):
        return float("nan")
    return float(np.exp(np.mean(np.log(values)))) if min(values) > 0 else 0.0


def _place(layer: str) -> tuple[int, list[int], str]:
    """A key that sorts layers in the order in which a signal passes them."""
    stage = next((k for k, name in enumerate(_STAGES) if layer.startswith(name)), len(_STAGES))
    return stage, [int(n) for n in re.findall(r"\d+", layer)], layer


def _short(layer: str) -> str:
    """A layer's name without the parts that all of them share, such as "up 1.0 key"."""
    stage = next((word for name, word in _STAGES.items() if layer.startswith(name)), None)
    if stage is None:
        return layer
    words = {"to_k": "key", "to_v": "value", "to_q": "query", "to_out": "out", "attn1": "self"}
    kept = [words[part] for part in layer.split(".") if part in words]
    place = ".".join(re.findall(r"\.(\d+)", layer.split(".transformer_blocks")[0]))
    return " ".join([stage, *([place] if place else []), *kept])
