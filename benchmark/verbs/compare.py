"""``cpbench.compare``: paired differences of two methods, two runs, or two folders of records."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...reports.analysis.board import by_method, row_of
from ...reports.analysis.comparability import by_conditions
from ...reports.analysis.compare import Comparison, compared, compared_folders, only_one
from ...reports.analysis.entry import Entry, entries
from ..errors import BadInput, unknown
from ..records.reading import OnFault, unheard
from .arguments import Where, folders_of

Group = dict[str, list[Entry]]
"""Runs under the same conditions, by the rows that they make on a board."""


def compare(
    first: str | Path, second: str | Path, *, results: Where = None, warn: OnFault = unheard
) -> list[Comparison]:
    """The differences first minus second, in pairs of runs of the same order and seed under equal conditions.

    first, second: two methods (or rows of a leaderboard), two runs (ids or their first characters), or two folders of
    records. Of methods and runs there is one comparison per set of conditions; of folders, one per method that both
    have, too. A name that is a method and a folder is the method; ``./name`` is the folder. results: the records of
    methods and runs, a folder or several; by default ``./runs``, if it has records, and those that cpbench ships, of
    which a method's own runs count first. ``warn`` is called for files that are passed over, and for methods that only
    one of two folders has.

    Raises BadInput for unknown and ambiguous names, other conditions, and runs without a pair.
    """
    names = str(first), str(second)
    written = [_is_path(side) for side in (first, second)]
    groups = [] if all(written) else _groups(entries(folders_of(results), warn))
    sides = [None if path else _runs(name, groups) for name, path in zip(names, written, strict=True)]
    known = [(name, runs) for name, runs in zip(names, sides, strict=True) if runs is not None]
    if len(known) == 2:
        return compared(known[0][1], known[1][1], names)
    places = [name != "" and Path(name).is_dir() for name in names]
    for name, path, place, runs in zip(names, written, places, sides, strict=True):
        if runs is None and not place:
            raise BadInput(f"{name}: no such folder.") if path else _nothing(name, groups)
    if known:
        raise BadInput(f"{names[0]} and {names[1]}: give two folders, or two methods or runs, not one of each.")
    return _folders(names, warn)


def _is_path(side: str | Path) -> bool:
    return isinstance(side, Path) or os.sep in side or side in (os.curdir, os.pardir)


def _groups(found: Iterable[tuple[Path, Entry]]) -> list[Group]:
    same = by_conditions(entry for _, entry in found if entry.status == "ok")
    return [by_method(own) for own in same.values()]


def _runs(name: str, groups: Sequence[Group]) -> list[Entry] | None:
    """The runs of a method, or the run with an id; None where there are none. Raises BadInput if ids are ambiguous."""
    rows = [(group, row) for group in groups if (row := row_of(name, group)) is not None]
    if rows:
        return [entry for group, row in rows for entry in group[row]]
    if not re.fullmatch(r"[0-9a-f]{3,64}", name):
        return None
    found = [e for group in groups for own in group.values() for e in own if e.run.id.startswith(name)]
    found = [e for e in found if not e.shipped] or found
    if len(found) > 1:
        raise BadInput(f"{len(found)} runs start with '{name}'; give more characters (see 'cpbench list runs').")
    return found or None


def _nothing(name: str, groups: Sequence[Group]) -> BadInput:
    if not groups:
        return BadInput(f"{name}: there are no finished runs to compare; make some with 'cpbench run'.")
    return unknown("method, run or folder", name, {row for group in groups for row in group})


def _folders(names: tuple[str, str], warn: OnFault) -> list[Comparison]:
    first, second = ([e for _, e in entries(Path(name), warn) if e.status == "ok"] for name in names)
    for name, own in zip(names, (first, second), strict=True):
        if not own:
            raise BadInput(f"{name} holds no finished runs; choose another folder.")
    found = compared_folders(first, second, names)
    for name, rest in zip(names, only_one(first, second), strict=True):
        if rest:
            warn(f"Only in {name}: {', '.join(rest)}.")
    return found
