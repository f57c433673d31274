"""Which options are tuned, within which bounds, and the points that are tried.

Learning rates belong to the adapter: they are tuned for its plain row (``lora``, ``vera``, ``cd``, ``ti``) and
inherited by all rows with this adapter, which tune only what they add. Every row with options to tune gets the same
number of trials.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .catalogue import CATALOGUE
from .configure import options_of


@dataclass(frozen=True)
class Range:
    """Values of an option from ``low`` to ``high``, even on a logarithmic scale; ``whole``: rounded to integers."""

    low: float
    high: float
    whole: bool = False

    def at(self, share: float) -> str:
        """The value at a share in [0, 1] of the range, with three digits, as ``--set`` reads it."""
        value = self.low * (self.high / self.low) ** share
        return str(round(value)) if self.whole else f"{value:.3g}"


RATES = {
    "tokens": {"learner.token_rate": Range(2e-3, 1e-1)},
    "kv": {"learner.rate": Range(3e-5, 3e-3), "learner.token_rate": Range(5e-4, 2e-2)},
    "lora": {"learner.rate": Range(5e-4, 1e-2), "learner.token_rate": Range(5e-4, 2e-2)},
    "vera": {"learner.rate": Range(3e-3, 1e-1), "learner.token_rate": Range(5e-4, 2e-2)},
}
OWN = {
    "clora": {"clora.strength": Range(1e-1, 1e5), "learner.token_rate": Range(5e-4, 2e-2)},
    "dsc": {
        "dsc.score_weight": Range(0.1, 10),
        "dsc.noise_weight": Range(0.1, 10),
        "dsc.temperature": Range(0.01, 1),
        "dsc.iterations": Range(30, 120, whole=True),
        "dsc.rate": Range(3e-4, 1e-2),
    },
    "ewc": {
        "ewc.strength": Range(1e-6, 1),
        "ewc.score_weight": Range(0.1, 10),
        "ewc.temperature": Range(0.01, 1),
        "ewc.candidates": Range(3, 8, whole=True),
    },
    "olora": {"olora.strength": Range(1e-3, 1e2)},
    "ziplora": {"ziplora.overlap": Range(1e-4, 1), "ziplora.rate": Range(1e-3, 1e-1)},
}
_WITHOUT_SCORES = ("score_weight", "temperature", "candidates")


def space(name: str) -> dict[str, Range]:
    """The options of a method that are tuned, by ``section.option``; empty for plug-ins and where there are none."""
    row = CATALOGUE.get(name)
    if row is None or not row.adapter:
        return {}
    if not row.consolidations:
        return dict(RATES[row.adapter])
    options = options_of(name)
    free = {key: r for section in row.consolidations for key, r in OWN.get(section, {}).items()}
    return {key: _scaled(row.adapter, key, r) for key, r in free.items() if _used(options, key)}


def _used(options: Mapping[str, Any], key: str) -> bool:
    """Whether an option has an effect: those of the scores have none where the weight of the scores is zero."""
    section, option = key.split(".")
    return option not in _WITHOUT_SCORES or bool(options[section].score_weight)


def _scaled(adapter: str, key: str, r: Range) -> Range:
    """The range on an adapter: learning rates of VeRA's vectors are ten times those of LoRA's matrices."""
    return Range(10 * r.low, 10 * r.high) if adapter == "vera" and key == "dsc.rate" else r


def _untuned(name: str, keys: Iterable[str]) -> dict[str, str]:
    options = options_of(name, tuned=False)
    return {key: f"{getattr(options[section], option):g}" for key in keys for section, option in [key.split(".")]}


def trials(name: str, n: int, seed: int = 0) -> list[dict[str, str]]:
    """``n`` settings to try: the values before any tuning, then scrambled Halton points of the space."""
    from scipy.stats.qmc import Halton

    free = space(name)
    if not free:
        return []
    points = Halton(len(free), rng=np.random.default_rng(seed)).random(n - 1)
    return [_untuned(name, free)] + [
        {key: r.at(u) for (key, r), u in zip(free.items(), point, strict=True)} for point in points
    ]
