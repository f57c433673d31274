"""``cpbench tune``: the same number of trials for every method, on concepts that no reported suite holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ..errors import BadInput
from ..plan.planner import REVISION
from ..run.progress import quiet_libraries
from ..storage.store import home, writable
from .console import interruptible, warner


@dataclass(frozen=True)
class TuneRequest:
    """The arguments of ``cpbench tune``."""

    methods: str
    suite: str
    trials: int
    length: int
    threads: int | None
    out: Path
    quiet: bool


@interruptible()
def tune(request: TuneRequest) -> None:
    """Try settings of each method and write all trials with the best, method by method."""
    from ...methods.registry import choose
    from ...methods.search_space import space

    if request.trials < 2:
        raise BadInput(f"--trials {request.trials}: give at least 2, the first are the values of before any tuning.")
    console = Console()
    names = [c.name for c in choose(request.methods, {})]
    writable(request.out)
    session = _open(request, console)
    if not 1 <= request.length <= len(session.suite.concepts):
        raise BadInput(f"--length {request.length}: {session.suite.name} has {len(session.suite.concepts)} concepts.")
    for name in names:
        if free := space(name):
            bounds = ", ".join(f"{key} {r.low:g} to {r.high:g}" for key, r in free.items())
            console.print(f"{name}: {request.trials} trials in {bounds}", highlight=False)
            trials = _try_all(name, request, session, console)
            path = _write(name, request, session, trials)
            console.print(f"{name}: best {trials[best(trials)]['settings']}; all trials in {path}")
        else:
            console.print(f"{name}: nothing of its own to tune")


def best(trials: Sequence[Mapping[str, Any]]) -> int:
    """The trial of greatest value; the first of equals, so that a default stays unless another is better."""
    return int(np.argmax([t["value"] for t in trials]))


def _open(request: TuneRequest, console: Console) -> Any:
    from ..run.session import Recipe
    from ..scoring.profiles import load_profile
    from ..suite.spec import load_suite

    suite = load_suite(request.suite)
    recipe = Recipe(suite, home().resolve(), load_profile(suite.evaluation.profile), suite.backbone)
    with quiet_libraries():
        return replace(recipe, threads=request.threads).open(warner(console))


def _try_all(name: str, request: TuneRequest, session: Any, console: Console) -> list[dict[str, Any]]:
    """The trials of a method with their values; one that fails has the value 0 and says why."""
    from ...methods.registry import choose
    from ...methods.search_space import trials
    from ..plan.units import kind_of
    from ..run.executors import Here
    from ..run.progress import Forecast, watching
    from ..run.scheduler import execute

    settings = trials(name, request.trials)
    chosen = [choose(name, s)[0] for s in settings]
    order = tuple(range(request.length))
    plans = session.plan(chosen, [order], [0], "end")
    units = session.missing(plans)
    forecast = Forecast(Counter(map(kind_of, units.values())), session.costs())
    batch = session.suite.training.batch
    with quiet_libraries(), watching(forecast, console, batch=batch, quiet=request.quiet) as view:
        errors = execute(units, Here(session.runner), view).errors
    found = []
    for setting, plan in zip(settings, plans, strict=True):
        done = {u.key for u in plan.units()} - errors.keys()
        seconds = sum(session.store.meta(key)["seconds"] for key in done & session.store.keys())
        error = next((errors[u.key] for u in plan.units() if u.key in errors), None)
        value = 0.0 if error else _value(session, plan)
        found.append(
            {"settings": setting, "value": value, "seconds": round(seconds, 1)} | ({"error": error} if error else {})
        )
    return found


def _value(session: Any, plan: Any) -> float:
    """Identity of all concepts after the last task."""
    scores = session.recorder(Path()).scores(plan)
    rows = [s for s in scores if s.source == "model" and s.metric == "identity"]
    concepts = sorted({s.j for s in rows})
    return float(np.mean([np.mean([s.value for s in rows if s.j == j]) for j in concepts]))


def _write(name: str, request: TuneRequest, session: Any, trials: list[dict[str, Any]]) -> Path:
    from ...methods.build import options_of, plain
    from ...methods.search_space import space

    content = {
        "method": name,
        "objective": "identity of all concepts after the last task, mean over concepts",
        "suite": {"name": session.suite.name, "hash": session.suite.hash, "length": request.length, "seed": 0},
        "weights": session.runner.backbone.weights,
        "revision": REVISION,
        "defaults": plain(options_of(name, tuned=False)),
        "space": {key: [r.low, r.high, "whole" if r.whole else "log"] for key, r in space(name).items()},
        "trials": trials,
        "chosen": trials[best(trials)]["settings"],
    }
    path = request.out / f"{name}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path
