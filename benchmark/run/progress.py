"""Progress on the screen: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console, Group
from rich.filesize import decimal
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID
from rich.table import Table
from rich.text import Text

from ..plan.survey import Survey
from ..plan.units import Unit
from ..protocol import Tick
from ..streams import say
from ..terminal import Sheet, words, working
from ..wording import counted, duration, one_line
from .events import Ended, Event, Noted, Planned, Preparing, Recorded, Started, Ticked, Warned
from .forecast import Forecast

_WORDS = {"Train": "train", "Draw": "draw", "Measure": "score", "Real": "real pictures", "Classify": "classify"}
_WIDE = 100  # a terminal with this many columns has room for long bars


def plan_lines(plan: Planned) -> Iterator[str]:
    """A plan in sentences: how many runs and units, how long they take, and where they are written."""
    wanted, distinct, done = (c.total() for c in (plan.found.wanted, plan.found.distinct, plan.found.found))
    parts = zip(plan.parts, ("method", "order", "seed"), strict=True) if plan.parts else ()
    grid = " × ".join(counted(n, noun) for n, noun in parts)
    runs = counted(plan.runs, "run") + (f" ({grid})" if grid else "") + (" needs" if plan.runs == 1 else " need")
    shared = f", {wanted - distinct:,} of them shared between runs" if wanted > distinct else ""
    left = f"{done:,} found in the store, {distinct - done:,} to do"
    yield f"{runs} {counted(wanted, 'unit')} of work{shared}: {left}."
    if plan.found.left.total():
        yield _estimate(plan)
    yield f"Units are kept in {plan.store}" + (f", records go to {plan.out}." if plan.out else ".")


def _estimate(plan: Planned) -> str:
    known, left = plan.known, plan.found.left
    where = "in one process of the cluster at a time" if plan.jobs is None else f"in {_processes(plan.jobs)}"
    where += f" ({plan.why})" if plan.why else ""
    basis = f"estimated from {counted(known.measured, 'unit')} in the store" if known.measured else "a rough guess"
    if known.calibrated:
        basis = "estimated from a short measurement on this machine"
    space = f" and {decimal(int(known.disk(left)))} on disk" if known.measured else ""
    return f"This takes about {duration(known.time(left, plan.jobs or 1))} {where}{space} ({basis})."


def _processes(jobs: int) -> str:
    return counted(jobs, "process", "processes")


def plan_table(found: Survey) -> Table:
    """A plan by kind of unit and method: units that all runs need, distinct ones, found ones, and those left to do."""
    numbers = ("needed by all runs", "distinct", "found", "to do")
    table = Sheet("units", *numbers, right=numbers)
    for kind in sorted(found.wanted):
        counts = (found.wanted[kind], found.distinct[kind], found.found[kind], found.left[kind])
        table.add_row(_WORDS[kind[0]] + (f" {kind[1]}" if kind[1] else ""), *map(str, counts))
    return table


class View:
    """Shows the plan and warnings on a console, and remembers the records that were written."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.recorded: list[Path] = []
        self.plan: Planned | None = None

    def __call__(self, event: Event) -> None:
        """Show an event."""
        match event:
            case Recorded(path):
                self.recorded.append(path)
            case Warned(text):
                self.warn(text)
            case Noted(text):
                self._line(text)
            case Planned():
                self.plan = event
                for line in plan_lines(event):
                    self._line(line)

    def warn(self, text: str) -> None:
        """Print a warning without wrapping it: on stderr, or between the bars of a terminal."""
        if self.console.is_interactive:
            self._line(text, "yellow")
        else:
            say(one_line(f"cpbench: warning: {text}"), error=True)

    def _line(self, text: str, style: str = "") -> None:
        self.console.print(Text(one_line(text), style), soft_wrap=True)


class PlainView(View):
    """Also prints one line per finished unit."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.forecast: Forecast | None = None
        self.total = self.done = 0

    def __call__(self, event: Event) -> None:
        """Print a line if a unit ended."""
        super().__call__(event)
        if isinstance(event, Planned):
            self.forecast = Forecast(event.found.left, event.known, event.jobs or 1)
            self.total, self.done = event.found.left.total(), 0
        elif isinstance(event, Ended) and self.forecast is not None:
            self.done += 1
            self.forecast.ended(event.unit, event.seconds)
            fate = event.error or f"{event.seconds:.1f} s, about {duration(self.forecast.seconds())} left"
            self._line(f"[{self.done}/{self.total}] {event.unit.title}: {fate}")


class LiveView(View):
    """A bar for the plan with counts and the time left, and one bar per unit under way."""

    def __init__(self, console: Console, stack: ExitStack) -> None:
        super().__init__(console)
        self.stack, self.status = stack, working(console)
        self.live: Live | None = None
        self.forecast: Forecast | None = None
        self.batch, self.of_plan = 1, TaskID(0)
        self.units: dict[str, TaskID] = {}
        self.begun: dict[tuple[str, str], tuple[float, int]] = {}
        wide = console.width >= _WIDE
        self.plan_bar = Progress(
            words("{task.description}", width=7),
            _bar(wide),
            MofNCompleteColumn(),
            words("{task.fields[text]}", width=34),
            console=console,
        )
        self.bars = Progress(
            words("{task.description}", width=44 if wide else 26),
            _bar(wide),
            MofNCompleteColumn(),
            words("{task.fields[text]}", style="dim", width=36 if wide else 25),
            console=console,
        )

    def __call__(self, event: Event) -> None:
        """Update the bars."""
        if isinstance(event, Preparing):
            if self.live is not None:
                return
            many = f": {event.done} of {event.of}" if event.of else ""
            self.status.update(Text(one_line(f"{event.what}{many}")))
            self.status.start()
            return
        if isinstance(event, Planned | Started | Ended | Warned):
            self.status.stop()
        super().__call__(event)
        match event:
            case Planned():
                self._begin(event)
            case Started(unit):
                self._close(unit)  # a process that died may have started it before
                self.units[unit.key] = self.bars.add_task(unit.title, total=None, text="")
            case Ticked(unit, tick) if unit.key in self.units:
                text = self._detail(unit, tick)
                self.bars.update(self.units[unit.key], completed=tick.step, total=tick.steps, text=text)
            case Ended():
                self._ended(event)

    def _begin(self, plan: Planned) -> None:
        if not plan.found.left.total():
            return
        self.batch, self.forecast = plan.batch, Forecast(plan.found.left, plan.known, plan.jobs or 1)
        total, left = plan.found.left.total(), f"about {duration(self.forecast.seconds())} left"
        for old in list(self.plan_bar.task_ids):
            self.plan_bar.remove_task(old)
        if self.live is None:
            self.live = Live(
                Group(self.plan_bar, self.bars), console=self.console, refresh_per_second=8, transient=True
            )
            self.stack.enter_context(self.live)
        self.of_plan = self.plan_bar.add_task("units", total=total, text=left)

    def _ended(self, event: Ended) -> None:
        self._close(event.unit)
        if self.forecast is not None:
            self.forecast.ended(event.unit, event.seconds)
            self.plan_bar.update(self.of_plan, advance=1, text=f"about {duration(self.forecast.seconds())} left")

    def _close(self, unit: Unit) -> None:
        if unit.key in self.units:
            self.bars.remove_task(self.units.pop(unit.key))

    def _detail(self, unit: Unit, tick: Tick) -> str:
        """Loss and rate; the rate is counted from the first tick, which is not the first step of a resumed task."""
        if tick.loss is None:
            return tick.phase
        begun, first = self.begun.setdefault((unit.key, tick.phase), (time.monotonic(), tick.step))
        rate = (tick.step - first) * self.batch / max(time.monotonic() - begun, 1e-6)
        return f"{tick.phase}: loss {tick.loss:.3f}, {rate:.0f}/s"


def _bar(wide: bool) -> BarColumn:
    return BarColumn(bar_width=24 if wide else 10)


@contextmanager
def watching(console: Console, *, quiet: bool = False) -> Iterator[View]:
    """The view for a console: the plan alone if ``quiet``, live bars on a terminal, else plain lines."""
    if quiet:
        yield View(console)
    elif console.is_interactive:
        with ExitStack() as stack:
            view = LiveView(console, stack)
            stack.callback(view.status.stop)
            yield view
    else:
        yield PlainView(console)
