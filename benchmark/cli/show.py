"""Commands that only look: list, show, conformance, doctor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from ..errors import BadInput, FailedRun, unknown
from ..records.result import Result, iterate_results
from ..run.progress import quiet_libraries

LISTS = ("methods", "options", "suites", "backbones", "profiles", "metrics", "runs")


def list_(what: str, results: Path, as_json: bool) -> None:
    """Print one of the lists."""
    if what not in LISTS:
        raise unknown("list", what, LISTS)
    rows = list(_rows(what, results))
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    if not rows:
        raise BadInput(f"{results} holds no records; make some with 'cpbench run'.")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in rows[0]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)


def _rows(what: str, results: Path) -> Iterator[dict[str, Any]]:
    from ..suite.spec import load_suite, suite_names

    if what == "methods":
        from ...methods.catalogue import CATALOGUE

        for row in CATALOGUE.values():
            yield {"method": row.name, "what it is": row.sentence, "paper": row.paper or "-"}
    elif what == "options":
        yield from _options()
    elif what == "suites":
        for suite in map(load_suite, suite_names()):
            yield {"suite": suite.name, "concepts": len(suite.concepts), "about": suite.title}
    elif what == "backbones":
        yield {"backbone": "toybox", "what it is": "the embedded model: CPU, no download"}
        yield {"backbone": "tiny", "what it is": "random weights, for tests"}
        yield {"backbone": "a folder or hub id", "what it is": "any Stable Diffusion 1.x or 2.x in diffusers' layout"}
    elif what == "metrics":
        from ..scoring.metrics import METRICS

        for m in METRICS.values():
            yield {"metric": m.name, "better": "higher" if m.higher_is_better else "lower", "what it is": m.sentence}
    elif what == "profiles":
        from ..scoring.profiles import PROFILES

        for p in PROFILES.values():
            yield {"profile": p.name, "what it is": p.sentence, "extractors": ", ".join(p.extractors)}
    else:
        for _, result in iterate_results(results):
            r = result.run
            yield {"run": r.id, "method": r.method, "suite": r.suite, "order": " ".join(r.order), "seed": r.seed}


def _options() -> Iterator[dict[str, Any]]:
    """Every option with its value, the bounds within which it is tuned, and the methods that have it so."""
    from dataclasses import asdict

    from ...methods.build import options_of
    from ...methods.catalogue import CATALOGUE
    from ...methods.search_space import space

    found: dict[tuple[str, str, str], list[str]] = {}
    for name in CATALOGUE:
        for section, options in options_of(name).items():
            for option, value in asdict(options).items():
                key = f"{section}.{option}"
                bounds = f"{r.low:g} to {r.high:g}" if (r := space(name).get(key)) else "-"
                found.setdefault((key, str(value), bounds), []).append(name)
    for (key, value, bounds), names in sorted(found.items()):
        yield {"option": key, "value": value, "tuned within": bounds, "methods": " ".join(names)}


def _one(run_id: str, results: Path) -> Result:
    """The one run whose id begins so."""
    found = [r for _, r in iterate_results(results) if r.run.id.startswith(run_id)]
    if len(found) != 1:
        near = "no runs" if not found else f"{len(found)} runs"
        raise BadInput(f"{near} in {results} start with '{run_id}'; see 'cpbench list runs --results {results}'.")
    return found[0]


def show(run_id: str, results: Path, as_json: bool) -> None:
    """Print one run: what it was, its matrix, its cost."""
    from ...reports.analysis.entry import entry_of
    from ...reports.tables.terminal import matrix_table

    found = _one(run_id, results)
    if as_json:
        typer.echo(found.model_dump_json(by_alias=True, indent=1))
        return
    console, r = Console(), found.run
    console.print(f"{r.method} on {r.suite} (version {r.suite_version}), seed {r.seed}, {r.device}, {r.dtype}")
    console.print(f"options: {json.dumps(r.options)}", highlight=False)
    console.print(matrix_table(entry_of(found)))


def diff(first: str, second: str, results: Path, as_json: bool) -> None:
    """Print what differs between two runs, what follows from it, and their numbers where these may be compared."""
    from ...reports.analysis.comparability import FORBIDS, unequal
    from ...reports.analysis.entry import entry_of
    from ...reports.tables.terminal import difference_table

    a, b = (entry_of(_one(run_id, results)) for run_id in (first, second))
    found = list(unequal(a, b))
    if as_json:
        typer.echo(json.dumps([vars(u) for u in found], indent=1))
        return
    console = Console()
    table = Table("what", a.run.id[:8], b.run.id[:8], "so", box=None, pad_edge=False, header_style="bold")
    for u in found:
        table.add_row(u.what, u.first, u.second, u.follows, style="red" if u.follows == FORBIDS else "")
    console.print(table if found else "The two runs are of the same method under the same conditions.")
    if any(u.follows == FORBIDS for u in found):
        console.print("These runs may not be compared.", style="red")
    else:
        console.print(difference_table(a, b))


def doctor(quick: bool, as_json: bool) -> None:
    """Check the installation and the store, and say what will work."""
    from ..storage.inventory import take_inventory
    from ..storage.store import home
    from .doctor import checks, store_checks

    console = Console()
    columns = (TextColumn("comparing checksums"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, console=console, transient=True)
    with quiet_libraries():
        rows = checks()
    if all(row.good for row in rows if row.what == "store"):
        with bar:
            seen = bar.add_task("", total=len(take_inventory(home() / "units").units), visible=not quick)
            rows += store_checks(lambda: bar.advance(seen), quick=quick)
    if as_json:
        typer.echo(json.dumps([vars(row) for row in rows], indent=1))
    else:
        table = Table(box=None, pad_edge=False, show_header=False)
        for row in rows:
            table.add_row("[green]ok[/]" if row.good else "[red]no[/]", row.what, row.found)
        console.print(table)
    if not all(row.good for row in rows):
        raise FailedRun("something will not work; see the lines marked 'no'.")
