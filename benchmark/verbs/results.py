"""``cpbench.load_results``: records as data frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ...methods.plugins import described
from ...reports.analysis.entry import Entry, entry_of, uncollected
from ...reports.results import Results
from ...reports.results import load_results as read_results
from ..records.reading import read_records, unheard
from ..storage.baseline import baseline
from .arguments import folders_of


def load_results(*folders: Path | str) -> Results:
    """All records below some folders as a :class:`Results` with pandas data frames.

    By default: ``./runs``, if it has records, and those that cpbench ships. If several folders hold a record of the
    same run, the first folder counts; a shipped run is there beside one of your own, and its column ``shipped`` is
    true. Raises BadInput for a folder without records.
    """
    found = folders_of(list(folders))
    paths = [path for folder in found.every for path in folder.glob("*/*/*.json")]
    return read_results(*found.own, shipped=found.shipped, upper=upper_bounds(paths))


def beside(own: Sequence[Entry]) -> list[Entry]:
    """The shipped runs of the suites of own runs."""
    suites, folder = {entry.run.suite for entry in own}, baseline()
    if not any((folder / suite).is_dir() for suite in suites):
        return []
    with uncollected():
        records = (result for _, result in read_records(folder, on_fault=unheard) if result.run.suite in suites)
        return [entry_of(result, shipped=True) for result in records]


def results_of(paths: Iterable[Path], *, baseline: str | None = None) -> Results:
    """The results in some records."""
    known = list(paths)
    return Results(known, upper=upper_bounds(known), baseline=baseline)


def upper_bounds(paths: Iterable[Path]) -> set[str]:
    """The methods of some records that are upper bounds, as far as they are installed."""
    return {name for name, method in described({path.parent.name for path in paths}).items() if method.bound}
