"""How to do a run again: the command, and what it does not say."""

from __future__ import annotations

import shlex
from functools import cache

from ...benchmark.suite.spec import Suite, load_suite, suite_names
from ..analysis.entry import Entry


def command(entry: Entry) -> str:
    """The command that does this run again. Options are given in full: defaults may change.

    Orders name all concepts of a suite: those that this run did not teach come last, and ``--lengths`` cuts them off.
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
    """The suite of a run where cpbench ships it as it was then."""
    suite, key = _shipped(entry.run.suite)
    return suite if key == entry.run.suite_hash else None


@cache
def _shipped(name: str) -> tuple[Suite | None, str]:
    """A suite of cpbench with its hash: read once for all runs."""
    suite = load_suite(name) if name in suite_names() else None
    return suite, suite.hash if suite else ""


def remarks(entry: Entry) -> list[str]:
    """What the command needs, does besides, or leaves to do."""
    run, suite = entry.run, _suite(entry)
    found = []
    if suite is None:
        found.append(
            f"cpbench does not ship this suite as it was (hash {run.suite_hash}): the command wants its spec in "
            f"{run.suite}.yaml, and --orders all of its concepts."
        )
    if run.seed:
        found.append("Seeds count from 0: the runs of lower seeds are made too, or found where they are in the store.")
    if suite is None or run.profile != suite.evaluation.profile:
        found.append(
            f"It is scored under the profile of the suite; 'cpbench score --profile {run.profile}' then scores the "
            "same pictures as here."
        )
    return found
