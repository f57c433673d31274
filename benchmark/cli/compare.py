"""``cpbench compare``."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Json, Results


def compare(
    first: Annotated[
        str,
        typer.Argument(help="A method, the id of a run or its first characters, or a folder of records, e.g. ./runs."),
    ],
    second: Annotated[str, typer.Argument(help="Another one of the same kind; it is subtracted.")],
    results: Results = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            help="Exit with status 3 if a difference meets this condition, in the unit of the table (bytes for "
            "'stored_bytes'), e.g. 'average < -2'. With '(sure)' at its end, the whole interval must meet it. "
            "Repeatable."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the differences of two methods, runs or folders, in pairs of runs of the same order and seed.

    Example: cpbench compare dsc clora --fail-if 'average < -2'
    """
    from ...reports.analysis.limits import Limit
    from ...reports.tables.comparison import as_json as plain
    from ...reports.tables.comparison import comparison_table, met
    from ..errors import Regression
    from ..plain_json import json_text
    from ..streams import say
    from ..terminal import Terminal
    from ..verbs.compare import compare as verb
    from .console import warn

    limits = [Limit.of(text) for text in fail_if or ()]
    found = verb(first, second, results=results, warn=warn)
    problems = [text for c in found for limit in limits if (text := met(c, limit))]
    if as_json:
        say(json_text([plain(c) for c in found], indent=1))
    else:
        Terminal(width=160).print(comparison_table(found))
    if problems:
        raise Regression(" ".join(problems))
