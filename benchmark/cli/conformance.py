"""``cpbench conformance``."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from rich.console import Console

from ..errors import BadInput, FailedRun
from ..run.progress import quiet_libraries


def conformance(name: str, settings: list[str], as_json: bool) -> None:
    """Check the contract of a method on the tiny model."""
    import tempfile

    from ...methods.registry import choose
    from ..checks.conformance import CHECKS, ContractChecks, examine
    from .console import parse_settings

    (chosen,) = choose(name, parse_settings(settings))
    if chosen.make is None:
        raise BadInput(f"method '{name}' never learns: there is nothing to check.")
    rows = []
    with tempfile.TemporaryDirectory() as folder, quiet_libraries():
        contract = ContractChecks(chosen.make, Path(folder))
        for check in CHECKS:
            fault = examine(check, contract)
            rows.append({"check": str(check.__doc__).strip(), "good": fault is None, "fault": fault})
            if not as_json:
                mark = "[green]ok[/]" if fault is None else "[red]no[/]"
                Console().print(mark, rows[-1]["check"], f"[red]{fault}[/]" if fault else "")
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
    if not all(row["good"] for row in rows):
        raise FailedRun(f"method '{name}' breaks the contract; see the lines marked 'no'.")
