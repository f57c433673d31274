"""The grid of a sweep: methods × orders × lengths × seeds."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import BadInput
from ..numbers import Range
from ..suite.spec import Suite
from ..wording import counted, shown
from .choices import Choice
from .planner import Planner
from .units import RunPlan

ORDER_SEED = 20410
"""The seed of all drawn orders."""
MOST_ORDERS = 5040
MOST_DRAWN = 100_000  # drawing them takes a second


Warn = Callable[[str], None]


def _unheard(_: str) -> None: ...


def orders_of(suite: Suite, text: str, warn: Warn = _unheard) -> list[tuple[int, ...]]:
    """Task orders from text: a number of orders, ``all``, or concepts by name or place, as in ``2,1,3/3,1,2``.

    A number gives the suite's own order, its reverse, then distinct random orders from :data:`ORDER_SEED`. Raises
    BadInput for other text. Places in the result count from 0. ``warn`` is called if an order is given twice.
    """
    if text == "all":
        count = math.factorial(len(suite.concepts))
        if count > MOST_ORDERS:
            raise BadInput(
                f"--orders all: {len(suite.concepts)} concepts have {count} orders; give a number up to {MOST_ORDERS}."
            )
        return _some(len(suite.concepts), count)
    if re.fullmatch(r"[-+]?[0-9]+", text.strip()):
        return _some(len(suite.concepts), _whole(text, len(suite.concepts)))
    given = [_order(suite, part) for part in text.split("/")]
    orders = list(dict.fromkeys(given))
    if len(orders) < len(given):
        warn(f"--orders {shown(text)}: {counted(len(given), 'order')} given, {len(orders)} distinct; each is run once.")
    return orders


def _whole(text: str, concepts: int) -> int:
    """A number of orders from its digits; raises BadInput where there are not as many."""
    most = math.factorial(concepts) if concepts < 9 else MOST_DRAWN
    have = f"{counted(concepts, 'concept')} have {counted(most, 'order')}; " if most < MOST_DRAWN else ""
    try:
        return int(Range(1, most).read(text, int))
    except ValueError:
        raise BadInput(f"--orders {shown(text)}: {have}give a number from 1 to {most}.") from None


def _some(concepts: int, n: int) -> list[tuple[int, ...]]:
    first = tuple(range(concepts))
    found = dict.fromkeys([first, first[::-1]])
    rng = np.random.default_rng(ORDER_SEED)
    while len(found) < n:  # all of MOST_ORDERS take about 45 000 draws, half a second
        found[tuple(int(k) for k in rng.permutation(concepts))] = None
    return list(found)[:n]


def _order(suite: Suite, text: str) -> tuple[int, ...]:
    """One order of all concepts, each given by its name or its place, which counts from 1."""
    names = [c.name for c in suite.concepts]
    listed = shown(", ".join(names), 300)
    places = {name: k for k, name in enumerate(names)} | {str(k + 1): k for k in range(len(names))}
    words = [word.strip() for word in text.split(",")]
    if unknown := [word for word in words if word not in places]:
        raise BadInput(
            f"--orders {shown(text)}: no concept '{shown(unknown[0])}'; use {listed}, or places from 1 to {len(names)}."
        )
    order = tuple(places[word] for word in words)
    if sorted(order) != list(range(len(names))):
        raise BadInput(f"--orders {shown(text)}: name each of {listed} exactly once; for fewer tasks use --lengths.")
    return order


def lengths_of(suite: Suite, text: str | None, warn: Warn = _unheard) -> tuple[int, ...]:
    """Sequence lengths from text like ``2,4,6``, sorted; by default the number of concepts. Raises BadInput.

    ``warn`` is called if a length is given twice.
    """
    most = len(suite.concepts)
    words = [word.strip() for word in (str(most) if text is None else text).split(",")]
    if bad := [word for word in words if not (re.fullmatch(r"[0-9]{1,9}", word) and 1 <= int(word) <= most)]:
        raise BadInput(f"--lengths {shown(text)}: '{shown(bad[0])}' is not a length; give numbers from 1 to {most}.")
    lengths = sorted({int(word) for word in words})
    if len(lengths) < len(words):
        warn(f"--lengths {shown(text)}: a length is given more than once; it is run once.")
    return tuple(lengths)


@dataclass(frozen=True)
class Grid:
    """The runs of a sweep. All methods come before the next order or seed, so a sweep cut short is still a comparison.

    ``orders`` are places of concepts in the suite, from 0. ``prefixes`` are the distinct orders of all lengths.
    """

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
        """The plans of all runs, made one by one, so that a large grid is never in memory as a whole."""
        for seed in self.seeds:
            for order in self.prefixes:
                for method in self.methods:
                    yield planner.run(method, order, seed)

    def waves(self, planner: Planner, size: int = 512) -> Iterator[list[RunPlan]]:
        """The plans in batches of ``size``; units that a batch shares with earlier ones are found in the store."""
        plans = self.plans(planner)
        while wave := list(itertools.islice(plans, size)):
            yield wave
            planner.known.clear()
