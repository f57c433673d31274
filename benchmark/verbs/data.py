"""``cpbench data``: data sets of others, fetched, verified, locked and listed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.filesize import decimal

from ..data.fetch import fetch, fetch_from, missing
from ..data.manifest import data_set, data_sets, faults, write_lock
from ..data.web import check_mirror
from ..errors import BadInput, FailedRun
from ..suite.spec import data_folder, load_suite, suite_names
from ..wording import counted


def sets_of(name: str) -> list[str]:
    """The data set with a name, or those that a suite with this name needs; raises BadInput for no such."""
    if name not in data_sets() and name in suite_names():
        if not (needed := load_suite(name).data):
            raise BadInput(f"suite {name} needs no data set.")
        return list(needed)
    return [data_set(name).name]


def fetch_data(
    name: str,
    *,
    source: Path | None = None,
    mirrors: Sequence[str] = (),
    on_bytes: Callable[[int], None] = lambda _: None,
) -> str:
    """Fetch a data set from its mirrors, a folder or an archive; returns what was done, in words."""
    found = data_set(name)
    folder = data_folder(found.name)
    if source is not None:
        n = fetch_from(found, source)
        return f"{counted(n, 'file')} of {found.name} in {folder}. Licence: {found.licence}."
    addresses = [*map(check_mirror, mirrors), *found.mirrors]
    if not found.files or not addresses:
        raise BadInput(
            f"{found.name} cannot be fetched: {found.note} Then run 'cpbench data fetch {found.name} --from FOLDER'. "
            f"Source: {found.source}. Licence: {found.licence}."
        )
    n = fetch(found, addresses, on_bytes)
    return f"{counted(n, 'file')} fetched; {found.name} is whole in {folder}. Licence: {found.licence}."


def bytes_left(name: str) -> int:
    """How many bytes of a data set are not on this machine."""
    return sum(item.bytes for item in missing(data_set(name)))


def verify_data(name: str) -> str:
    """Check every file of a data set; raises FailedRun with what is wrong."""
    found = data_set(name)
    if not found.files:
        raise BadInput(f"{found.name} has no lock; write one with 'cpbench data lock {found.name}'.")
    if wrong := faults(found):
        more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise FailedRun(
            f"{found.name}: {'; '.join(wrong[:3])}{more}; run 'cpbench data fetch {found.name}', which replaces them."
        )
    return f"{found.name}: all {counted(len(found.files), 'file')} are as they should be ({decimal(found.size)})."


def lock_data(name: str) -> str:
    """List the user's copy of a data set with checksums, so that 'verify' finds changes; not one with a list."""
    found = data_sets()[name]
    if found.files:
        raise BadInput(f"{found.name} has a list of its own; 'cpbench data verify {found.name}' checks it.")
    return f"{counted(len(write_lock(found.name)), 'file')} of {found.name} locked."


def listed_data() -> list[dict[str, Any]]:
    """The data sets: name, title, size, licence, and whether they are on this machine."""
    rows = []
    for name in data_sets():
        found = data_set(name)
        left = len(faults(found, content=False))
        here = "whole" if found.files and not left else "no" if left == len(found.files) else f"lacks {left}"
        rows.append(
            {
                "data set": name,
                "here": here,
                "what": found.title,
                "files": len(found.files) or "own",
                "size": decimal(found.size) if found.files else "-",
                "licence": found.licence,
            }
        )
    return rows
