"""What a sweep saves by doing shared work once: a grid as one plan, then run by run in stores of their own.

Run by hand on a real suite (an hour and a half): ``python tests/sharing.py --suite toybox-6 --methods lora,vera``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cpbench.benchmark.plan.grid import Grid, lengths_of, orders_of
from cpbench.benchmark.plan.units import Train
from cpbench.benchmark.run.executors import Placement
from cpbench.benchmark.run.opening import load
from cpbench.benchmark.run.session import Recipe, Session
from cpbench.benchmark.run.sweep import carry_out
from cpbench.benchmark.scoring.profiles import load_profile
from cpbench.benchmark.suite.spec import Suite, load_suite
from cpbench.methods.registry import choose


@dataclass
class Effort:
    """What was computed: units, trainings by method; seconds on the clock, of the units alone, and of the processor.

    Only those of the processor can be compared on a machine that does other work meanwhile.
    """

    units: int = 0
    trained: Counter = field(default_factory=Counter)
    wall: float = 0.0
    own: float = 0.0
    cpu: float = 0.0

    def add(self, other: Effort) -> None:
        """Add another effort."""
        self.trained.update(other.trained)
        for name in ("units", "wall", "own", "cpu"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def __call__(self, event) -> None:
        """Count a unit that is done."""
        if getattr(event, "fate", None) == "done":
            self.units += 1
            self.own += event.seconds
            if isinstance(event.unit, Train):
                self.trained[event.unit.method.name] += 1
        assert not getattr(event, "error", None), event.error


def session(suite: Suite, home: Path) -> Session:
    """Models, and an empty store."""
    return load(Recipe(suite, home, load_profile(suite.evaluation.profile), suite.backbone, device="cpu"), print)


def do(plans, made: Session, out: Path) -> Effort:
    """Compute some runs with everything loaded."""
    effort, begin, cpu = Effort(), time.perf_counter(), time.process_time()
    work = carry_out(made, [plans], Placement(), made.recorder(out), effort)
    effort.wall, effort.cpu = time.perf_counter() - begin, time.process_time() - cpu
    assert len(work.paths) == len(plans)
    return effort


def prefixes(grid: Grid) -> int:
    """The number of distinct prefixes of the orders of a grid, up to its lengths."""
    return len({order[:n] for order in grid.orders for length in grid.lengths for n in range(1, length + 1)})


def compare(suite: Suite, grid: Grid, folder: Path) -> tuple[Effort, Effort]:
    """The whole grid in one store, then each of its runs in a store of its own.

    What a process does only once is not counted: the models are loaded, and the longest run is computed first.
    """
    made = session(suite, folder / "shared")
    plans = list(grid.plans(made.planner("final")))
    do([max(plans, key=lambda plan: len(plan.trains))], session(suite, folder / "before"), folder / "out-before")
    together, alone = do(plans, made, folder / "out"), Effort()
    for k, plan in enumerate(plans):
        alone.add(do([plan], session(suite, folder / str(k)), folder / "out-alone"))
    return together, alone


def table(grid: Grid, together: Effort, alone: Effort) -> Table:
    """Both ways side by side."""
    made = Table("way", "units", "trained", "distinct prefixes", "seconds", "of the units", "ratio", "CPU")
    for name, e in (("one plan", together), ("run by run", alone)):
        trained = ", ".join(f"{n} {method}" for method, n in sorted(e.trained.items()))
        wanted = str(prefixes(grid)) if e is together else ""
        seconds = f"{e.wall:.1f}", f"{e.own:.1f}", f"{e.wall / e.own:.3f}", f"{e.cpu:.1f}"
        made.add_row(name, str(e.units), trained, wanted, *seconds)
    made.caption = f"{len(grid)} runs; saved factor {alone.cpu / together.cpu:.2f} (CPU)"
    return made


def equal(folder: Path) -> bool:
    """Whether both ways give the same scores."""
    outs = [
        {p.name: json.loads(p.read_text())["scores"] for p in (folder / o).rglob("*.json")}
        for o in ("out", "out-alone")
    ]
    return outs[0] == outs[1] and bool(outs[0])


if __name__ == "__main__":
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (
        ("--suite", "toybox-6"),
        ("--methods", "lora,vera"),
        ("--orders", "5"),
        ("--lengths", "2,4,6"),
    ):
        parser.add_argument(name, default=default)
    asked = parser.parse_args()
    suite = load_suite(asked.suite)
    grid = Grid(choose(asked.methods, {}), orders_of(suite, asked.orders), lengths_of(suite, asked.lengths), [0])
    with tempfile.TemporaryDirectory() as temporary:
        Console().print(table(grid, *compare(suite, grid, Path(temporary))))
        print("same scores both ways:", equal(Path(temporary)))
