"""``cpbench.tune``: the same number of trials for every method, on concepts that are in no reported suite."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...methods.configure import options_of, plain
from ...methods.registry import choose
from ...methods.search_space import space
from ...methods.search_space import trials as trials_of
from ..errors import BadInput, FailedRun
from ..plain_json import write_json
from ..plan.units import RunPlan
from ..ranged import in_range
from ..run.events import OnEvent, ignored, warning
from ..run.executors import Placement, opened
from ..run.jobs import AUTO
from ..run.session import Recipe, Session
from ..run.sweep import announce, do_units
from ..scoring.profiles import PROFILES, Profile, load_profile
from ..storage.store import home, writable
from ..suite.spec import Suite
from .arguments import Jobs, Length, Names, Threads, joined, suite_of
from .arguments import Trials as HowMany

Trials = list[dict[str, Any]]
"""Settings, their value, the seconds they took, and the error of one that failed."""
OBJECTIVE = "identity"


def tune(
    methods: Names,
    suite: str | Path | Suite = "toybox-tune",
    *,
    trials: HowMany = 6,
    length: Length = 3,
    threads: Threads | None = None,
    jobs: Jobs = AUTO,
    out: str | Path = "tuned",
    on_event: OnEvent = ignored,
) -> dict[str, Trials]:
    """Try settings of each method, write all trials to ``out``/<method>.json, and return them by method.

    The value of a trial is the identity of all concepts after the last task, mean over concepts; a trial that
    fails has the value 0, and is never the best. A method without options of its own to tune has no trials. length: how
    many concepts a trial learns. jobs: as in :func:`sweep`. Raises BadInput, before anything is trained, for a
    suite on which identity cannot be measured, and FailedRun where all trials of a method fail; they are written all
    the same.
    """
    trials, length, threads, jobs = in_range(tune, trials=trials, length=length, threads=threads, jobs=jobs)
    chosen, spec = choose(joined(methods), {}, warning(on_event)), suite_of(suite)
    if not 1 <= length <= len(spec.concepts):
        raise BadInput(f"--length {length}: {spec.name} has {len(spec.concepts)} concepts.")
    profile = load_profile(spec.evaluation.profile)
    if lacks := _lacking(spec, profile, length):
        what = f"suite {spec.name} with profile {profile.name} does not measure {OBJECTIVE}, the objective of tuning"
        raise BadInput(f"{what}: {lacks}.")
    folder = writable(Path(out))
    recipe, found = Recipe(spec, home().resolve(), profile, spec.backbone, threads=threads), dict[str, Trials]()
    with opened(recipe, placement := Placement(jobs=jobs).bounded(recipe, chosen), on_event) as session:
        for name in (c.name for c in chosen):
            found[name] = _try_all(name, trials, length, session, placement, on_event) if space(name) else []
            if found[name]:
                _write(folder / f"{name}.json", name, length, session, found[name])
    if failed := [name for name, tried in found.items() if tried and best(tried) is None]:
        first = found[failed[0]][0]["error"]
        raise FailedRun(f"all trials of {', '.join(failed)} failed, so none is the best; the first: {first}")
    return found


def best(found: Sequence[Mapping[str, Any]]) -> int | None:
    """The index of the best trial, without those that failed; None where all did.

    The first one among equals, so that a default stays unless another is better.
    """
    seen = [k for k, trial in enumerate(found) if "error" not in trial and math.isfinite(trial["value"])]
    return max(seen, key=lambda k: found[k]["value"], default=None)  # the first of equals


def _lacking(suite: Suite, profile: Profile, length: int) -> str | None:
    """Why the objective cannot be measured on the first ``length`` concepts, and what to do; None where it can."""
    if OBJECTIVE not in profile.metrics:
        has = ", ".join(name for name, p in PROFILES.items() if OBJECTIVE in p.metrics)
        return f"set evaluation.profile to one that has it ({has})"
    if not suite.evaluation.distractors:
        return "it needs look-alikes; set evaluation.distractors to 1 or more"
    if all(c.toybox is None for c in suite.concepts[:length]):
        whose = "concept comes" if length == 1 else f"{length} concepts come"
        return f"it needs look-alikes, and the first {whose} from folders, which have none; use toybox concepts"
    return None


def _try_all(name: str, count: int, length: int, session: Session, placement: Placement, on_event: OnEvent) -> Trials:
    settings = trials_of(name, count)
    plans = session.plan([choose(name, s)[0] for s in settings], [tuple(range(length))], [0], "end")
    placement = announce(session, plans, placement, None, on_event)
    errors = do_units(session, session.missing(plans), placement, on_event).errors
    return [_trial(session, setting, plan, errors) for setting, plan in zip(settings, plans, strict=True)]


def _trial(session: Session, setting: dict[str, str], plan: RunPlan, errors: Mapping[str, str]) -> dict[str, Any]:
    done = {u.key for u in plan.units()} - errors.keys()
    seconds = sum(session.store.meta(key)["seconds"] for key in done & session.store.keys())
    error = next((errors[u.key] for u in plan.units() if u.key in errors), None)
    value = 0.0 if error else _value(session, plan)
    if math.isnan(value):
        value, error = 0.0, f"{OBJECTIVE} was not measured"
    found = {"settings": setting, "value": value, "seconds": round(seconds, 1)}
    return found | ({"error": error} if error else {})


def _value(session: Session, plan: RunPlan) -> float:
    """Identity of all concepts after the last task; NaN where it was measured for none."""
    scores = session.recorder(Path()).scores(plan)
    rows = [s for s in scores if s.source == "model" and s.metric == OBJECTIVE]
    concepts = sorted({s.j for s in rows})
    if not concepts:
        return math.nan
    return float(np.mean([np.mean([s.value for s in rows if s.j == j]) for j in concepts]))


def _write(path: Path, name: str, length: int, session: Session, found: Trials) -> None:
    """Write all trials; ``chosen`` is null where all of them failed."""
    winner = best(found)
    content = {
        "method": name,
        "objective": "identity of all concepts after the last task, mean over concepts",
        "suite": {"name": session.suite.name, "hash": session.suite.hash, "length": length, "seed": 0},
        "weights": session.facts.weights,
        "code": {**session.code, "method": choose(name, {})[0].code},
        "defaults": plain(options_of(name, tuned=False)),
        "space": {key: [r.low, r.high, "whole" if r.whole else "log"] for key, r in space(name).items()},
        "trials": found,
        "chosen": None if winner is None else found[winner]["settings"],
    }
    write_json(path, content)
