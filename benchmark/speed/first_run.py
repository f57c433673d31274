"""A first run by share: where its CPU seconds go, in a temporary home where nothing is kept from before."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import FailedRun
from ..models.loading import EMBEDDED
from ..plan.units import Unit, kind_of
from ..run.events import Ended, Event, Started, ignored
from ..run.executors import Placement
from ..run.opening import open_session
from ..run.session import Recipe, Session
from ..run.sweep import do_units
from ..scoring.profiles import load_profile
from ..suite.spec import Suite
from .bench import Bench
from .commands import cpu_seconds
from .row import Measurement, Row

_KINDS = {"Train": "learn", "Draw": "draw", "Real": "score", "Measure": "score", "Classify": "classify"}
_METHOD = "lora"
SHARES = ("load", "learn", "inspect", "draw", "score", "classify")


def run_measurements(bench: Bench) -> Iterator[Measurement]:
    """The shares of one run."""
    yield Measurement("a first run by share", lambda: list(shares(bench)))


def shares(bench: Bench) -> Iterator[Row]:
    """A row per share; for models of other packages one row with the reason why there are none."""
    what, against = f"first run of {_METHOD}", "all CPU seconds of the run"
    if bench.name not in EMBEDDED:
        reason = f"{bench.name} is not the model of the suite {bench.suite.name}; its own runs show its costs"
        yield Row("run", what, against, "share", note=reason)
        return
    spent = first_run(half(bench.suite), bench)
    total = sum(spent.values())
    for name in SHARES:
        share, note = spent[name] / total, f"{spent[name]:.1f} of {total:.1f} CPU seconds"
        yield Row("run", f"{what}: {name}", against, "share", share, share, share, 1, note=note)


def half(suite: Suite) -> Suite:
    """A suite with half the updates, pictures per prompt and references of another, but for two of each at least."""
    e, training = suite.evaluation, suite.training
    smaller = {name: max(2, getattr(e, name) // 2) for name in ("per_prompt", "per_pair", "references")}
    fewer = training.model_copy(update={"steps": max(2, training.steps // 2)})
    return suite.model_copy(update={"evaluation": e.model_copy(update=smaller), "training": fewer})


def first_run(suite: Suite, bench: Bench) -> dict[str, float]:
    """CPU seconds by share of a run in an empty home; imports are those of another process."""
    with tempfile.TemporaryDirectory() as folder:
        recipe = Recipe(suite, Path(folder), load_profile(suite.evaluation.profile), bench.name, bench.device)
        loading, begin = cpu_seconds("import cpbench.benchmark.run.opening"), time.process_time()
        session = open_session(recipe, ignored)
        plans = session.plan([bench.choose(_METHOD, {})], [tuple(range(len(suite.concepts)))], [0], "final")
        units, timer = session.missing(plans), _Timer()
        loading += time.process_time() - begin
        outcome = do_units(session, units, Placement(), timer)
        if outcome.errors:
            raise FailedRun(f"the first run failed: {next(iter(outcome.errors.values()))}")
        inspected = sum(_inspected(session, unit, timer.spent[key]) for key, unit in units.items())
    found = {"load": loading, "inspect": inspected, "learn": -inspected} | dict.fromkeys(
        ("draw", "score", "classify"), 0.0
    )
    for key, unit in units.items():
        found[_KINDS[kind_of(unit)[0]]] += timer.spent[key]
    return found


def _inspected(session: Session, unit: Unit, spent: float) -> float:
    """The part of the CPU seconds of a unit that its method used for inspection, which the unit has in its figures."""
    figures: dict[str, Any] = session.store.meta(unit.key)["measured"].get("figures", {})
    phases = {name: value for name, value in figures.items() if name.startswith("seconds.")}
    return spent * phases.get("seconds.inspect", 0.0) / sum(phases.values()) if phases else 0.0


class _Timer:
    """The CPU seconds of each unit, by key."""

    def __init__(self) -> None:
        self.begun = time.process_time()
        self.spent: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        """Note when a unit begins and ends."""
        if isinstance(event, Started):
            self.begun = time.process_time()
        elif isinstance(event, Ended):
            self.spent[event.unit.key] = time.process_time() - self.begun
