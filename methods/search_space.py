"""Which options are tuned, within which bounds, in which order of methods, and the points that are tried.

Learning rates belong to the adapter: they are tuned for its plain row (``lora``, ``vera``, ``cd``, ``ti``) and
inherited by all rows with this adapter. Every other row inherits what the rows it builds on have tuned, and tunes only
what it adds (:data:`ADDED`). An option has the same range in all rows, and every row the same number of trials per
option that it tunes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Protocol

import numpy as np

from .catalogue import CATALOGUE
from .configure import ancestors, options_of

WEIGHT = "score_weight"
"""The option by which a method is tried without its scores, too."""


class Dimension(Protocol):
    """The values of one option; its ``str`` is them in words."""

    def at(self, share: float) -> str:
        """The value at a share in [0, 1] of the dimension, as ``--set`` reads it."""
        ...

    def plain(self) -> list[float | str]:
        """The dimension as plain data for the file of trials."""
        ...


@dataclass(frozen=True)
class Range:
    """Values of an option from ``low`` to ``high``, even on a logarithmic scale; ``whole``: rounded to integers."""

    low: float
    high: float
    whole: bool = False

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"

    def at(self, share: float) -> str:
        """The value at a share in [0, 1] of the range, with three digits, as ``--set`` reads it."""
        value = self.low * (self.high / self.low) ** share
        return str(round(value)) if self.whole else f"{value:.3g}"

    def plain(self) -> list[float | str]:
        """Both bounds and the scale."""
        return [self.low, self.high, "whole" if self.whole else "log"]


@dataclass(frozen=True)
class OneOf:
    """Some words, each with the same share of the dimension."""

    words: tuple[str, ...]

    def __str__(self) -> str:
        return " or ".join(self.words)

    def at(self, share: float) -> str:
        """The word at a share in [0, 1]."""
        return self.words[min(int(share * len(self.words)), len(self.words) - 1)]

    def plain(self) -> list[float | str]:
        """The words."""
        return list(self.words)


_TOKEN_RATE = Range(5e-4, 2e-2)
RATES: dict[str, dict[str, Dimension]] = {
    "tokens": {"learner.token_rate": Range(2e-3, 1e-1)},
    "kv": {"learner.rate": Range(3e-5, 3e-3), "learner.token_rate": _TOKEN_RATE},
    "lora": {"learner.rate": Range(5e-4, 1e-2), "learner.token_rate": _TOKEN_RATE},
    "vera": {"learner.rate": Range(3e-3, 1e-1), "learner.token_rate": _TOKEN_RATE},
}
"""What the plain row of each adapter tunes."""
RANGES: dict[str, Dimension] = {
    "learner.token_rate": _TOKEN_RATE,
    "clora.strength": Range(1e-5, 1),
    "dop.strength": Range(1e-2, 30),
    "dsc.iterations": Range(30, 120, whole=True),
    "dsc.rate": Range(3e-4, 1e-2),
    "dsc.score_weight": Range(0.3, 300),
    "dsc.temperature": Range(0.05, 1),
    "ewc.average": OneOf(("false", "true")),
    "ewc.decay": Range(0.5, 1),
    "ewc.score_weight": Range(0.03, 30),
    "ewc.strength": Range(1e-4, 1e-1),
    "l2.strength": Range(3e-5, 1),
    "lwf.strength": Range(1e-2, 30),
    "olora.strength": Range(1e-3, 1e2),
    "ziplora.overlap": Range(1e-4, 1),
    "ziplora.rate": Range(1e-3, 1e-1),
}
"""The values of the options that other rows add. Weights of scores are ratios to weights of 1 of the other terms."""
OTHERS: dict[tuple[str, str], Dimension] = {
    ("vera", "dsc.rate"): Range(3e-3, 1e-1),
    ("vera", "ewc.strength"): Range(3e-6, 3e-3),
}
"""Ranges on one adapter: VeRA's vectors are trained with ten times the rates of LoRA's matrices, and move further."""
_CLORA = ("clora.strength", "learner.token_rate")  # its token starts at random, not as the noun
_EWC = ("ewc.strength", "ewc.decay", "ewc.average")
ADDED: dict[str, tuple[str, ...]] = {
    "clora": _CLORA,
    "clora-noun": ("clora.strength",),
    "dop": ("dop.strength",),
    "dsc": ("dsc.score_weight", "dsc.temperature"),
    "dsc-ewc": ("ewc.strength",),
    "dsc-ewc-dc": ("ewc.strength",),
    "ewc": _EWC,
    "ewc-dc": ("ewc.score_weight",),
    "l2": ("l2.strength",),
    "lwf": ("dsc.rate", "dsc.iterations"),
    "lwf-online": ("lwf.strength",),
    "olora": ("olora.strength",),
    "vera-clora": _CLORA,
    "vera-dsc": ("dsc.rate",),
    "vera-dsc-ewc-dc": ("ewc.strength",),
    "vera-ewc": ("ewc.strength",),
    "ziplora": ("ziplora.overlap", "ziplora.rate"),
}
"""What each row tunes beside what it inherits."""


def space(name: str) -> dict[str, Dimension]:
    """The options of a method that are tuned, by ``section.option``; empty for plug-ins and where there are none."""
    row = CATALOGUE.get(name)
    if row is None or not row.adapter:
        return {}
    if not row.consolidations:
        return dict(RATES[row.adapter])
    return {key: OTHERS.get((row.adapter, key), RANGES[key]) for key in ADDED.get(name, ())}


def levels(names: Iterable[str]) -> Iterator[list[str]]:
    """Methods of the catalogue in the order of inheritance: those of one level inherit from earlier levels alone."""
    wanted = list(names)
    order = TopologicalSorter({name: ancestors(name) for name in CATALOGUE})
    order.prepare()
    while order.is_active():
        ready = order.get_ready()
        order.done(*ready)
        if level := [name for name in wanted if name in ready]:
            yield level


def standing(name: str, folder: Path | None = None) -> dict[str, str]:
    """The values of the tuned options before this row is tuned: inherited, fixed or default."""
    options = options_of(name, tuned=False, folder=folder)
    values = {key: getattr(options[section], option) for key in space(name) for section, option in [key.split(".")]}
    return {key: str(v).lower() if isinstance(v, bool) else f"{v:g}" for key, v in values.items()}


def anchor(name: str, folder: Path | None = None) -> dict[str, str] | None:
    """The values that stand, without scores; None for rows that tune no weight of scores."""
    values = standing(name, folder)
    weights = {key: "0" for key in values if key.endswith(f".{WEIGHT}")}
    return values | weights if weights else None


def trials(name: str, per_option: int = 4, seed: int = 0, folder: Path | None = None) -> list[dict[str, str]]:
    """The settings to try: the values that stand, the anchor where there is one, then points of the space.

    There are ``per_option`` scrambled Halton points per tuned option. Settings have all tuned options of the row and no
    other. folder: as in :func:`.configure.options_of`.
    """
    from scipy.stats.qmc import Halton

    free = space(name)
    if not free:
        return []
    points = Halton(len(free), rng=np.random.default_rng(seed)).random(per_option * len(free))
    without = anchor(name, folder)
    return [
        standing(name, folder),
        *([without] if without else []),
        *({key: r.at(u) for (key, r), u in zip(free.items(), point, strict=True)} for point in points),
    ]
