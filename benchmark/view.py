"""What a person sees while a plan runs: one live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from .execute import Ended, Event, Started
from .protocol import Tick
from .units import Unit

_GUESS = {
    "Train": 30.0,
    "Draw": 8.0,
    "Measure": 1.0,
    "Real": 1.0,
    "Classify": 2.0,
}  # seconds, until the first of a kind is measured


class Forecast:
    """Time left of a plan, from the mean time of the units of each kind done so far."""

    def __init__(self, units: Mapping[str, Unit]) -> None:
        self.left = {key: type(unit).__name__ for key, unit in units.items()}
        self.seen: dict[str, list[float]] = defaultdict(list)

    def ended(self, unit: Unit, seconds: float) -> None:
        """Take note of a unit that ended."""
        self.seen[self.left.pop(unit.key)].append(seconds)

    def seconds(self) -> float:
        """Seconds left, the unit under way counted whole."""
        return sum(self._mean(kind) for kind in self.left.values())

    def _mean(self, kind: str) -> float:
        seen = self.seen[kind]
        return sum(seen) / len(seen) if seen else _GUESS[kind]


class View(Protocol):
    """Something that is told events."""

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        ...


class LiveView:
    """A bar of the plan, a bar of the unit, the loss and the rate, and the time left."""

    def __init__(self, units: Mapping[str, Unit], batch: int) -> None:
        self.forecast, self.batch, self.start = Forecast(units), batch, time.monotonic()
        columns = (TextColumn("{task.description:<44}"), BarColumn(bar_width=28), MofNCompleteColumn())
        self.bars = Progress(*columns, TimeElapsedColumn())
        self.plan = self.bars.add_task("units", total=len(units))
        self.unit = self.bars.add_task("", total=1)
        self.line = Text("")

    def __rich__(self) -> Group:
        return Group(self.bars, self.line)

    def __call__(self, event: Event) -> None:
        """Move the bars."""
        match event:
            case Started(unit):
                self.start = time.monotonic()
                self.bars.reset(self.unit, description=unit.title, total=1)
            case Tick():
                self.bars.update(self.unit, completed=event.step, total=event.steps)
                self.line = Text(f"{self._rate(event)}about {clock(self.forecast.seconds())} left", style="dim")
            case Ended():
                self.forecast.ended(event.unit, event.seconds)
                self.bars.advance(self.plan)

    def _rate(self, tick: Tick) -> str:
        if tick.loss is None:
            return ""
        rate = tick.step * self.batch / max(time.monotonic() - self.start, 1e-6)
        return f"{tick.phase}: loss {tick.loss:.3f}, {rate:.0f} images/s, "


class PlainView:
    """One line for each unit that ended."""

    def __init__(self, units: Mapping[str, Unit], console: Console) -> None:
        self.forecast, self.total, self.done, self.console = Forecast(units), len(units), 0, console

    def __call__(self, event: Event) -> None:
        """Print a line when a unit ended."""
        if isinstance(event, Ended):
            self.done += 1
            self.forecast.ended(event.unit, event.seconds)
            fate = event.error or f"{event.seconds:.1f} s, about {clock(self.forecast.seconds())} left"
            self.console.print(f"[{self.done}/{self.total}] {event.unit.title}: {fate}", markup=False, highlight=False)


def clock(seconds: float) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@contextmanager
def watching(units: Mapping[str, Unit], console: Console, *, batch: int, quiet: bool) -> Iterator[View]:
    """The view that fits: nothing, live, or plain lines."""
    if quiet or not units:
        yield lambda event: None
    elif console.is_terminal:
        view = LiveView(units, batch)
        with Live(view, console=console, refresh_per_second=8, transient=True):
            yield view
    else:
        yield PlainView(units, console)
