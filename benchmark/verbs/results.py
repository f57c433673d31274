"""``cpbench.load_results``: records as data frames."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ...methods.plugins import described
from ...reports.results import Results
from ...reports.results import load_results as read_results


def load_results(*folders: Path | str) -> Results:
    """All records below some folders (``results/`` by default) as a :class:`Results` with pandas data frames.

    If several folders hold a record of the same run, the last folder counts. Raises BadInput for a folder
    without records.
    """
    paths = [path for folder in folders or ("results",) for path in Path(folder).glob("*/*/*.json")]
    return read_results(*folders, upper=upper_bounds(paths))


def results_of(paths: Iterable[Path]) -> Results:
    """The results in some records."""
    known = list(paths)
    return Results.of(known, upper=upper_bounds(known))


def upper_bounds(paths: Iterable[Path]) -> set[str]:
    """The methods of some records that are upper bounds, as far as they are installed."""
    return {name for name, method in described({path.parent.name for path in paths}).items() if method.bound}
