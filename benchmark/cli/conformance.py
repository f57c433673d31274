"""``cpbench conformance``."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Json, Settings


def conformance(
    name: Annotated[
        str | None,
        typer.Argument(help="A method, also of an installed package (see 'cpbench list methods'), or a metric."),
    ] = None,
    metric: Annotated[bool, typer.Option("--metric", help="NAME is a metric, not a method.")] = False,
    backbone: Annotated[
        str | None,
        typer.Option(help="In place of NAME: a model (see 'cpbench list backbones'), a folder of one, or a hub id."),
    ] = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Check that a method keeps its contract, e.g. that it is repeatable and survives saving and loading.

    Example: cpbench conformance dsc

    A metric (--metric) and a model (--backbone) can be checked too.
    """
    from ..errors import FailedRun
    from ..plain_json import json_text
    from ..streams import say
    from ..terminal import Terminal, mark
    from ..verbs.conformance import conformance as verb
    from ..wording import one_line
    from .console import interruptible, parse_settings

    rows, console = [], Terminal()
    with interruptible():
        for row in verb(name, parse_settings(settings or ()), metric=metric, backbone=backbone):
            rows.append(row)
            if not as_json:
                good = row.fault is None
                console.print(mark(good), one_line(row.check), mark(good, one_line(row.fault)) if row.fault else "")
    if as_json:
        found = [{"check": row.check, "good": row.fault is None, "fault": row.fault} for row in rows]
        say(json_text(found, indent=1))
    if any(row.fault is not None for row in rows):
        kind = "backbone" if backbone else "metric" if metric else "method"
        raise FailedRun(f"{kind} '{backbone or name}' breaks the contract; see the lines marked 'no'.")
