"""The grid of a sweep: methods × orders × lengths × seeds."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import BadInput
from ..suite.spec import Suite
from .planner import Planner
from .units import Choice, RunPlan

ORDER_SEED = 20410
"""The seed of all drawn orders."""
MOST_ORDERS = 5040


def orders_of(suite: Suite, text: str) -> list[tuple[int, ...]]:
    """Task orders: a number of them, ``all``, or a list of concepts by name or place, e.g. ``2,1,3/3,1,2``.

    A number gives the suite's own order, its reverse, then distinct draws from :data:`ORDER_SEED`.
    """
    if text == "all":
        count = math.factorial(len(suite.concepts))
        if count > MOST_ORDERS:
            raise BadInput(f"--orders all: {len(suite.concepts)} concepts have {count} orders; give a number.")
        return _some(len(suite.concepts), count)
    if re.fullmatch(r"-?\d{1,9}", text.strip()):
        return _some(len(suite.concepts), int(text))
    return list(dict.fromkeys(_order(suite, part) for part in text.split("/")))


def _some(concepts: int, n: int) -> list[tuple[int, ...]]:
    most = math.factorial(concepts)
    if n < 1:
        raise BadInput(f"--orders {n}: give at least 1.")
    if n > most:
        raise BadInput(f"--orders {n}: {concepts} concepts have only {most} orders.")
    first = tuple(range(concepts))
    found = dict.fromkeys([first, first[::-1]])
    rng = np.random.default_rng(ORDER_SEED)
    while len(found) < n:  # also for all of them: MOST_ORDERS takes some 45 000 draws, half a second
        found[tuple(int(k) for k in rng.permutation(concepts))] = None
    return list(found)[:n]


def _order(suite: Suite, text: str) -> tuple[int, ...]:
    """One order of all concepts, each given by its name or its place from 1."""
    names = [c.name for c in suite.concepts]
    places = {name: k for k, name in enumerate(names)} | {str(k + 1): k for k in range(len(names))}
    words = [word.strip() for word in text.split(",")]
    if unknown := [word for word in words if word not in places]:
        raise BadInput(f"--orders {text}: '{unknown[0]}' is not one of {', '.join(names)}, nor a place from 1 on.")
    order = tuple(places[word] for word in words)
    if sorted(order) != list(range(len(names))):
        raise BadInput(f"--orders {text}: name each of {', '.join(names)} exactly once; for fewer, add --lengths.")
    return order


def lengths_of(suite: Suite, text: str | None) -> tuple[int, ...]:
    """Sequence lengths from a list like ``2,4,6``; the number of concepts where none is given."""
    most = len(suite.concepts)
    words = [word.strip() for word in (text or str(most)).split(",")]
    if bad := [word for word in words if not (re.fullmatch(r"\d{1,9}", word) and 1 <= int(word) <= most)]:
        raise BadInput(f"--lengths {text}: '{bad[0]}' is not a number from 1 to {most}.")
    return tuple(sorted({int(word) for word in words}))


@dataclass(frozen=True)
class Grid:
    """What to run. The first seed and order come first, for all methods: an unfinished sweep is still a comparison."""

    methods: Sequence[Choice]
    orders: Sequence[tuple[int, ...]]
    lengths: Sequence[int]
    seeds: Sequence[int]
    prefixes: tuple[tuple[int, ...], ...] = field(init=False)

    def __post_init__(self) -> None:
        prefixes = dict.fromkeys(order[:length] for order in self.orders for length in self.lengths)
        object.__setattr__(self, "prefixes", tuple(prefixes))

    def __len__(self) -> int:
        return len(self.methods) * len(self.prefixes) * len(self.seeds)

    def plans(self, planner: Planner) -> Iterator[RunPlan]:
        """The runs, planned one by one: a large grid need never be held as a whole."""
        for seed in self.seeds:
            for order in self.prefixes:
                for method in self.methods:
                    yield planner.run(method, order, seed)

    def waves(self, planner: Planner, size: int = 512) -> Iterator[list[RunPlan]]:
        """The runs in portions; what they share with an earlier portion is found in the store."""
        plans = self.plans(planner)
        while wave := list(itertools.islice(plans, size)):
            yield wave
            planner.known.clear()
