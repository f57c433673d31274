"""What a person sees while a plan runs: one live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from ..plan.costs import Costs
from ..plan.survey import Survey
from ..plan.units import Kind, Unit, kind_of
from ..protocol import Tick
from .events import Ended, Event, OnEvent, Started, Ticked

_WORDS = {"Train": "train", "Draw": "draw", "Measure": "score", "Real": "real pictures", "Classify": "classify"}


class Forecast:
    """Time left of a plan: units to do, each at the mean of those done so far, or before at what is known of it."""

    def __init__(self, left: Counter[Kind], known: Costs, jobs: int = 1) -> None:
        self.left, self.known, self.jobs = Counter(left), known, jobs
        self.seen: dict[Kind, list[float]] = defaultdict(list)

    def ended(self, unit: Unit, seconds: float) -> None:
        """Take note of a unit that ended."""
        kind = kind_of(unit)
        self.seen[kind].append(seconds)
        self.left[kind] = max(0, self.left[kind] - 1)

    def seconds(self) -> float:
        """Seconds left, the units under way counted whole."""
        return sum(n * self._mean(kind) for kind, n in self.left.items()) / self.jobs

    def _mean(self, kind: Kind) -> float:
        seen = self.seen[kind]
        return sum(seen) / len(seen) if seen else self.known.second(kind)


class LiveView:
    """A bar of the plan with the time left, and below it one for each unit under way, with its loss and rate."""

    def __init__(self, forecast: Forecast, batch: int) -> None:
        self.forecast, self.batch = forecast, batch
        columns = (TextColumn("{task.description:<44}"), BarColumn(bar_width=24), MofNCompleteColumn())
        self.bars = Progress(*columns, TimeElapsedColumn(), TextColumn("[dim]{task.fields[told]}"))
        self.plan = self.bars.add_task("units", total=sum(forecast.left.values()), told="")
        self.units: dict[str, TaskID] = {}
        self.begun: dict[tuple[str, str], tuple[float, int]] = {}

    def __call__(self, event: Event) -> None:
        """Move the bars."""
        match event:
            case Started(unit):
                self._close(unit)  # it may have been begun before, in a process that died
                self.units[unit.key] = self.bars.add_task(unit.title[:44], total=None, told="")
            case Ticked(unit, tick) if unit.key in self.units:
                told = self._told(unit, tick)
                self.bars.update(self.units[unit.key], completed=tick.step, total=tick.steps, told=told)
            case Ended():
                self.forecast.ended(event.unit, event.seconds)
                self._close(event.unit)
                self.bars.update(self.plan, advance=1, told=f"about {clock(self.forecast.seconds())} left")

    def _close(self, unit: Unit) -> None:
        if unit.key in self.units:
            self.bars.remove_task(self.units.pop(unit.key))

    def _told(self, unit: Unit, tick: Tick) -> str:
        """Loss and rate; the rate counts from the first tick of a phase, which may be that of a resumed task."""
        if tick.loss is None:
            return tick.phase
        begun, first = self.begun.setdefault((unit.key, tick.phase), (time.monotonic(), tick.step))
        rate = (tick.step - first) * self.batch / max(time.monotonic() - begun, 1e-6)
        return f"{tick.phase}: loss {tick.loss:.3f}, {rate:.0f} images/s"


class PlainView:
    """One line for each unit that ended."""

    def __init__(self, forecast: Forecast, console: Console) -> None:
        self.forecast, self.total, self.done, self.console = forecast, sum(forecast.left.values()), 0, console

    def __call__(self, event: Event) -> None:
        """Print a line when a unit ended."""
        if isinstance(event, Ended):
            self.done += 1
            self.forecast.ended(event.unit, event.seconds)
            fate = event.error or f"{event.seconds:.1f} s, about {clock(self.forecast.seconds())} left"
            self.console.print(f"[{self.done}/{self.total}] {event.unit.title}: {fate}", markup=False, highlight=False)


def plan_table(found: Survey) -> Table:
    """A plan by kind of unit and method: what all runs want, what of it is distinct, found, and left to do."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("units", "of runs one by one", "distinct", "found", "to do"):
        table.add_column(name, justify="left" if name == "units" else "right")
    for kind in sorted(found.wanted):
        counts = (found.wanted[kind], found.distinct[kind], found.found[kind], found.left[kind])
        table.add_row(_WORDS[kind[0]] + (f" {kind[1]}" if kind[1] else ""), *map(str, counts))
    return table


def clock(seconds: float) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@contextmanager
def watching(forecast: Forecast, console: Console, *, batch: int, quiet: bool) -> Iterator[OnEvent]:
    """The view that fits: nothing, live, or plain lines."""
    if quiet or not forecast.left.total():
        yield lambda event: None
    elif console.is_terminal:
        view = LiveView(forecast, batch)
        with Live(view.bars, console=console, refresh_per_second=8, transient=True):
            yield view
    else:
        yield PlainView(forecast, console)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep the notes of the model libraries from the screen; errors still show."""
    import diffusers
    import transformers

    diffusers.logging.set_verbosity_error()
    transformers.logging.set_verbosity_error()
    diffusers.logging.disable_progress_bar()
    transformers.logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
