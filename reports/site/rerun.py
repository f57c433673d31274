"""How to re-run a run: the command, and what to know beside it."""

from __future__ import annotations

import shlex
from functools import cache

from ...benchmark.suite.spec import Suite, load_suite, suite_names
from ..analysis.entry import Entry


def command(entry: Entry) -> str:
    """The command that re-runs this run. It has all options, since defaults may change.

    ``--orders`` names all concepts of a suite: those that this run did not teach come last, and ``--lengths`` leaves
    them out.
    """
    run, suite = entry.run, _suite(entry)
    rest = [c.name for c in suite.concepts if c.name not in run.order] if suite else []
    name = run.suite if suite else f"{run.suite}.yaml"
    parts = ["cpbench", "run", "--methods", run.method, "--suite", name, "--orders", ",".join([*run.order, *rest])]
    parts += ["--lengths", str(len(run.order))] if rest or suite is None else []
    parts += ["--seeds", str(run.seed + 1), "--protocol", run.protocol, "--backbone", run.backbone]
    parts += ["--device", run.device, "--dtype", run.dtype]
    if threads := entry.environment.get("threads"):
        parts += ["--threads", str(threads)]
    for section, options in sorted(run.options.items()):
        if isinstance(options, dict):
            for option, value in sorted(options.items()):
                parts += ["--set", f"{section}.{option}={value}"]
    return " ".join(map(shlex.quote, parts))


def _suite(entry: Entry) -> Suite | None:
    """The suite of a run; None where cpbench ships another version of it, or none."""
    suite, key = _shipped(entry.run.suite)
    return suite if key == entry.run.suite_hash else None


@cache
def _shipped(name: str) -> tuple[Suite | None, str]:
    """A suite of cpbench with its hash, read once for all runs."""
    suite = load_suite(name) if name in suite_names() else None
    return suite, suite.hash if suite else ""


def remarks(entry: Entry) -> list[str]:
    """What the command needs, what it makes besides this run, and what is left to do after it."""
    run, suite = entry.run, _suite(entry)
    found = []
    if suite is None:
        found.append(
            f"This version of the suite (hash {run.suite_hash}) is not part of cpbench. The command needs its "
            f"specification in {run.suite}.yaml, and all of its concepts in --orders."
        )
    if run.seed:
        found.append("Seeds count from 0: the command also makes the runs of lower seeds that are not in the store.")
    if suite is None or run.profile != suite.evaluation.profile:
        found.append(
            f"The command scores with the profile of the suite. To get the scores of this page, then use "
            f"'cpbench score --profile {run.profile}'."
        )
    return found
