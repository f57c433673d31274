"""Names of files, and which of several runs stands for a method."""

from __future__ import annotations

from ..benchmark.spec import load_suite, suite_names
from .entry import Entry


def slug_of(text: str) -> str:
    """A text as part of a file's name."""
    return "".join(c if c.isalnum() or c in "-." else "_" for c in text)


def first_run(entry: Entry) -> tuple[int, bool, list[str]]:
    """Sorts runs so that every method shows the same one: the lowest seed, on the suite's own order where known."""
    run = entry.run
    given = [c.name for c in load_suite(run.suite).concepts] if run.suite in suite_names() else run.order
    return run.seed, run.order != given, run.order
