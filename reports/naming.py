"""Names of files, and which of several runs stands for a method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from ..benchmark.spec import digest, load_suite, suite_names
from .entry import Entry


def slug_of(text: str) -> str:
    """A text as part of a file's name."""
    return "".join(c if c.isalnum() or c in "-." else "_" for c in text)


def slugs_of(names: Collection[str]) -> dict[str, str]:
    """A slug for each name, with a digest where names would share one, be it in another case."""
    shared = Counter(slug_of(name).lower() for name in names)
    return {n: slug if shared[(slug := slug_of(n)).lower()] == 1 else f"{slug}-{digest(n)[:6]}" for n in names}


def first_run(entry: Entry) -> tuple[int, bool, list[str]]:
    """Sorts runs so that every method shows the same one: the lowest seed, on the suite's own order where known."""
    run = entry.run
    given = [c.name for c in load_suite(run.suite).concepts] if run.suite in suite_names() else run.order
    return run.seed, run.order != given, run.order
