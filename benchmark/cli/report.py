"""``cpbench report``."""

from __future__ import annotations

import filecmp
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console

from ..errors import Regression
from .console import interruptible


@interruptible()
def report(results: Path, out: Path, only: str | None, check: bool) -> None:
    """Write the report, or one part of it, and say which files it is made of; or check that it is not stale."""
    from ...methods.catalogue import CATALOGUE
    from ...reports.analysis.board import About
    from ...reports.write import load, write_report
    from ..storage.store import home, writable

    console, units = Console(), home() / "units"
    methods = {r.name: About(r.adapter, r.consolidations, r.sentence, r.paper, r.bound) for r in CATALOGUE.values()}
    found = load(results, methods)

    def pictures(key: str) -> list[Path]:
        return sorted((units / key).glob("*.png"))

    if check:
        _check_report(console, found, methods, pictures, out, only)
        return
    paths = 0
    with console.status("writing") if console.is_terminal else nullcontext():
        for path in write_report(found, writable(out), methods, pictures, only):
            paths += 1
            if path.parent == out or path.name == "index.html":
                console.print(str(path), highlight=False, soft_wrap=True)
    console.print(f"{paths} files in {out}.", highlight=False, soft_wrap=True)


def _check_report(console: Console, found: Any, methods: Any, pictures: Any, out: Path, only: str | None) -> None:
    """Raise Regression where a file is missing, not what the records give, or left over from records that are gone."""
    from ...reports.files import leftovers
    from ...reports.write import write_report

    with tempfile.TemporaryDirectory() as folder:
        fresh = {
            p.relative_to(folder).as_posix(): p for p in write_report(found, Path(folder), methods, pictures, only)
        }
        stale = [n for n, p in fresh.items() if not (out / n).exists() or not filecmp.cmp(p, out / n, False)]
        stale += [f"{name} (left over)" for name in leftovers(out, fresh, only)]
    if stale:
        told = ", ".join(stale[:5]) + (f" and {len(stale) - 5} more" if len(stale) > 5 else "")
        raise Regression(f"{out} is stale: {told}; write it again with 'cpbench report'.")
    console.print(f"{len(fresh)} files in {out} are up to date.", highlight=False, soft_wrap=True)
