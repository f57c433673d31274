"""``cpbench.tune``: the same number of trials for every method, on concepts that are in no reported suite."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...methods.build import options_of, plain
from ...methods.registry import choose
from ...methods.search_space import space
from ...methods.search_space import trials as trials_of
from ..errors import BadInput
from ..plan.units import RunPlan
from ..ranged import ranged
from ..run.events import OnEvent, ignored
from ..run.executors import Placement
from ..run.session import Recipe, Session, open_session
from ..run.sweep import announce, do_units
from ..scoring.profiles import load_profile
from ..storage.store import home, writable
from ..suite.spec import Suite
from .arguments import Length, Names, Threads, joined, suite_of
from .arguments import Trials as HowMany

Trials = list[dict[str, Any]]
"""Settings, their value, the seconds they took, and the error of one that failed."""


@ranged
def tune(
    methods: Names,
    suite: str | Path | Suite = "toybox-tune",
    *,
    trials: HowMany = 6,
    length: Length = 3,
    threads: Threads | None = None,
    out: str | Path = "tuned",
    on_event: OnEvent = ignored,
) -> dict[str, Trials]:
    """Try settings of each method, write all trials to ``out``/<method>.json, and return them by method.

    The value of a trial is the identity of all concepts after the last task, mean over concepts; a trial that
    fails has the value 0. A method without options of its own to tune has no trials. length: how many concepts a trial
    learns.
    """
    names, spec, folder = [c.name for c in choose(joined(methods), {})], suite_of(suite), writable(Path(out))
    if not 1 <= length <= len(spec.concepts):
        raise BadInput(f"--length {length}: {spec.name} has {len(spec.concepts)} concepts.")
    profile = load_profile(spec.evaluation.profile)
    session = open_session(Recipe(spec, home().resolve(), profile, spec.backbone, threads=threads), on_event)
    found: dict[str, Trials] = {}
    for name in names:
        found[name] = _try_all(name, trials, length, session, on_event) if space(name) else []
        if found[name]:
            _write(folder / f"{name}.json", name, length, session, found[name])
    return found


def best(found: Sequence[Mapping[str, Any]]) -> int:
    """The index of the best trial; the first one among equals, so that a default stays unless another is better."""
    return int(np.argmax([trial["value"] for trial in found]))


def _try_all(name: str, count: int, length: int, session: Session, on_event: OnEvent) -> Trials:
    settings = trials_of(name, count)
    plans = session.plan([choose(name, s)[0] for s in settings], [tuple(range(length))], [0], "end")
    announce(session, plans, Placement(), None, on_event)
    errors = do_units(session, session.missing(plans), Placement(), on_event).errors
    return [_trial(session, setting, plan, errors) for setting, plan in zip(settings, plans, strict=True)]


def _trial(session: Session, setting: dict[str, str], plan: RunPlan, errors: Mapping[str, str]) -> dict[str, Any]:
    done = {u.key for u in plan.units()} - errors.keys()
    seconds = sum(session.store.meta(key)["seconds"] for key in done & session.store.keys())
    error = next((errors[u.key] for u in plan.units() if u.key in errors), None)
    value = 0.0 if error else _value(session, plan)
    found = {"settings": setting, "value": value, "seconds": round(seconds, 1)}
    return found | ({"error": error} if error else {})


def _value(session: Session, plan: RunPlan) -> float:
    """Identity of all concepts after the last task."""
    scores = session.recorder(Path()).scores(plan)
    rows = [s for s in scores if s.source == "model" and s.metric == "identity"]
    concepts = sorted({s.j for s in rows})
    return float(np.mean([np.mean([s.value for s in rows if s.j == j]) for j in concepts]))


def _write(path: Path, name: str, length: int, session: Session, found: Trials) -> None:
    content = {
        "method": name,
        "objective": "identity of all concepts after the last task, mean over concepts",
        "suite": {"name": session.suite.name, "hash": session.suite.hash, "length": length, "seed": 0},
        "weights": session.runner.backbone.weights,
        "code": {**session.code, "method": choose(name, {})[0].code},
        "defaults": plain(options_of(name, tuned=False)),
        "space": {key: [r.low, r.high, "whole" if r.whole else "log"] for key, r in space(name).items()},
        "trials": found,
        "chosen": found[best(found)]["settings"],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
