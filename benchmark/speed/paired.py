"""Paired times of two pieces of work, made in turns in one process, and their ratios.

What slows a machine down for a while slows down both of a pair, so that ratios are steadier than times.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..protocol import Tick

Work = Callable[[], object]
Clock = Callable[[], float]
Pair = tuple[float, float]
"""Seconds of the one and of the other."""
_WARM = 2  # pairs of a phase that are not counted


@dataclass(frozen=True)
class Spread:
    """The median, the least and the greatest of ``n`` values."""

    median: float
    least: float
    most: float
    n: int


def spread_of(values: Sequence[float]) -> Spread:
    """The spread of some values; raises ValueError where there are none."""
    if not values:
        raise ValueError("the spread of no values is not defined")
    return Spread(statistics.median(values), min(values), max(values), len(values))


def ratios_of(pairs: Sequence[Pair]) -> Spread:
    """The spread of first / second over pairs of positive seconds."""
    return spread_of([a / b for a, b in pairs])


def seconds(work: Work, clock: Clock) -> float:
    """The seconds that some work takes."""
    begin = clock()
    work()
    return clock() - begin


def paired(a: Work, b: Work, repeats: int, clock: Clock) -> list[Pair]:
    """The seconds of ``a`` and ``b``, ``repeats`` times, after each was done once to warm up.

    They are done in turns, and which of the two comes first alternates.
    """
    a()
    b()
    pairs = []
    for k in range(repeats):
        if k % 2:
            second = seconds(b, clock)
            pairs.append((seconds(a, clock), second))
        else:
            first = seconds(a, clock)
            pairs.append((first, seconds(b, clock)))
    return pairs


class Interleaved:
    """A progress callback that does other work after each tick of a phase: pairs of a step and of that work.

    The first pairs are not counted: a phase begins with what is done once, and caches are cold.
    """

    def __init__(self, phase: str, other: Work, clock: Clock) -> None:
        self.phase, self.other, self.clock = phase, other, clock
        self.found: list[Pair] = []
        self.last: float | None = None

    def __call__(self, tick: Tick) -> None:
        """Count the seconds since the last tick, then those of the other work."""
        if tick.phase != self.phase:
            return
        now, last = self.clock(), self.last
        self.other()
        self.last = self.clock()
        if last is not None:
            self.found.append((now - last, self.last - now))

    @property
    def pairs(self) -> list[Pair]:
        """The pairs that count."""
        return self.found[_WARM:]


def ticks_for(pairs: int) -> int:
    """The number of steps that a phase needs for so many pairs that count."""
    return 1 + _WARM + pairs


class Ends:
    """A progress callback that keeps when each phase had its last tick, by the clock."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.last: dict[str, float] = {}

    def __call__(self, tick: Tick) -> None:
        """Keep the time of a tick."""
        self.last[tick.phase] = self.clock()
