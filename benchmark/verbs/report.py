"""``cpbench.report``: tables, plots, sample sheets and a site from records; and whether a report is up to date."""

from __future__ import annotations

import filecmp
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...methods.catalogue import CATALOGUE
from ...methods.configure import options_of, plain
from ...methods.plugins import MethodInfo, described
from ...reports.analysis.board import About, Methods
from ...reports.files import leftovers
from ...reports.strips import write_strips
from ...reports.write import OnProgress, load, unwatched, write_report
from ..errors import Regression
from ..places import home_read
from ..records.folders import Folders
from ..records.reading import OnFault, unheard
from ..storage.store import writable
from .arguments import RUNS, Where, folders_of


def report(
    results: Where = None,
    out: str | Path = "report",
    *,
    only: str | None = None,
    baseline: str | None = None,
    on_progress: OnProgress = unwatched,
    warn: OnFault = unheard,
) -> list[Path]:
    """Write the report of all records in some folders, or one part of it, and return its files.

    results: a folder or several, of which the first that holds a run counts; by default ``./runs``, if it has records,
    and those that cpbench ships. Shipped records have rows of their own, on boards with runs of the other folders.
    only: ``tables``, ``plots``, ``samples``, ``site``, or one kind of plot such as ``curves``. Files of an earlier
    report that this one does not write are removed. ``warn`` is called with a sentence for each file of ``results``
    that is passed over. baseline: a method; its average is subtracted from that of the others, in pairs of runs of the
    same order and seed, in one more column of the leaderboards. Raises BadInput if no run is finished, or none of the
    baseline.
    """
    folders = folders_of(results)
    methods = about_methods(folders)
    found = load(folders, methods, warn, baseline)
    return list(write_report(found, writable(Path(out)), methods, _pictures, only, on_progress))


def check_report(
    results: Where = None,
    out: str | Path = "report",
    *,
    only: str | None = None,
    baseline: str | None = None,
    on_progress: OnProgress = unwatched,
    warn: OnFault = unheard,
) -> list[Path]:
    """Check that a report is up to date, write nothing, and return its files.

    Raises Regression if a file is missing, differs from what the records give, or is left over from other records.
    """
    folder, folders = Path(out), folders_of(results)
    methods = about_methods(folders)
    found = load(folders, methods, warn, baseline)
    with tempfile.TemporaryDirectory() as temporary:
        paths = write_report(found, Path(temporary), methods, _pictures, only, on_progress)
        fresh = {p.relative_to(temporary).as_posix(): p for p in paths}
        stale = [n for n, p in fresh.items() if not (folder / n).exists() or not filecmp.cmp(p, folder / n, False)]
        stale += [f"{name} (left over)" for name in leftovers(folder, fresh, only)]
    if stale:
        named = ", ".join(stale[:5]) + (f" and {len(stale) - 5} more" if len(stale) > 5 else "")
        raise Regression(f"{folder} is stale: {named}; update it with 'cpbench report'.")
    return [folder / name for name in fresh]


def keep_strips(results: Where = None, into: str | Path | None = None, warn: OnFault = unheard) -> list[Path]:
    """Write a film strip beside the record of one run per method and suite, and return the strips.

    A strip is a small picture of everything that the run drew; a site shows it when the store no longer has the
    pictures. results: records whose pictures are in the store, by default ``./runs``. into: another folder with records
    of the same runs and equal scores, for example the committed ones; ``results`` by default.
    """
    kept, made = Path(into) if into is not None else None, folders_of(results).every if results else (RUNS,)
    return [strip for folder in made for strip in write_strips(folder, _pictures, kept, warn)]


def about_methods(folders: Folders) -> Methods:
    """What a report prints about the methods of its records, as far as they are installed."""
    paths = (path for folder in folders.every for path in folder.glob("*/*/*.json"))
    names = {path.parent.name for path in paths}  # plug-ins without records are not imported
    return {
        name: About(m.adapter, m.consolidations, m.sentence, m.paper, m.bound, _defaults(m))
        for name, m in described(names).items()
        if not m.fault
    }


def _defaults(method: MethodInfo) -> Mapping[str, Any]:
    """The options of a method by section, as records have them."""
    if method.name in CATALOGUE:
        return plain(options_of(method.name))
    return {method.name: {name: option.default for name, option in method.options.items()}}


def _pictures(key: str) -> list[Path]:
    """The pictures of a unit in the store."""
    return sorted((home_read() / "units" / key).glob("*.png"))
