"""Recorded runs by the first characters of their ids, their suites and their tasks."""

from __future__ import annotations

from pathlib import Path

from ..errors import BadInput
from ..numbers import Range
from ..records.reading import OnFault
from ..records.result import Result
from ..storage.store import home
from ..storage.suites import kept_suite
from ..suite.spec import Suite, load_suite, suite_names
from .arguments import Where, folders_of, suite_of


def the_run(run: str, results: Where, on_fault: OnFault) -> Result:
    """The only recorded run whose id begins with ``run``; raises BadInput if there is not exactly one."""
    folders = folders_of(results)
    found = [r for _, r in folders.records(on_fault) if r.run.id.startswith(run)]
    if len(found) != 1:
        near = "no runs" if not found else f"{len(found)} runs"
        given = [results] if isinstance(results, str | Path) else results or ()
        asked = "".join(f" --results {folder}" for folder in given)
        raise BadInput(f"{near} in {folders} start with '{run}'; see 'cpbench list runs{asked}'.")
    return found[0]


def suite_of_run(result: Result, given: str | Path | Suite | None = None) -> Suite:
    """The suite of a run: the one that is given, else the one that it was made with, else the one with its name."""
    if given is not None:
        return suite_of(given)
    name, kept = result.run.suite, kept_suite(home(), result.run.suite_hash)
    if kept is None and name not in suite_names():
        raise BadInput(f"run {result.run.id}: this machine does not know its suite {name}; name it with --suite.")
    return kept or load_suite(name)


def task_of(result: Result, task: int | None) -> int:
    """The task whose state is asked for, the last one by default; 0 is the base model. Raises BadInput for others."""
    last = len(result.run.order)
    return last if task is None else int(Range(0, last).check("--task", task))


def drawn_with(suite: Suite, strength: float) -> Suite:
    """The suite, whose pictures are drawn with another strength."""
    return suite.model_copy(update={"sampling": suite.sampling.model_copy(update={"strength": strength})})
