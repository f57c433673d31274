"""``cpbench list``, ``show`` and ``diff``: commands that only read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Json, Results

if TYPE_CHECKING:
    pass

_WHOLE = ("paper", "run")  # columns that never wrap, so that their text can be copied


def list_(
    what: Annotated[
        str,
        typer.Argument(help="What to list: methods, options, presets, suites, backbones, profiles, metrics or runs."),
    ] = "methods",
    results: Results = None,
    as_json: Json = False,
) -> None:
    """List what there is to choose from.

    Example: cpbench list suites
    """
    from ..errors import BadInput
    from ..plain_json import json_text
    from ..streams import say
    from ..terminal import Sheet, Terminal
    from ..verbs.arguments import folders_of
    from ..verbs.listing import listed
    from .console import warn

    rows = listed(what, results, warn)
    if as_json:
        say(json_text(rows, indent=1))
        return
    if not rows:
        raise BadInput(f"{folders_of(results)} holds no records; make some with 'cpbench run'.")
    rows = [_folded(row) for row in rows]
    shown = Sheet(*rows[0])
    for column in shown.columns:
        column.no_wrap = str(column.header) in (*_WHOLE, next(iter(rows[0])))
    for row in rows:
        shown.add_row(*row.values())
    Terminal().print(shown)


def _folded(row: dict[str, Any]) -> dict[str, Any]:
    """A row of options or presets in three columns, so that it fits 80 characters; other rows unchanged, in words."""
    from rich.text import Text

    if "grade" in row:
        whose = Text(f"{row['method']} on {row['backbone']}, grade {row['grade']}: {row['source']}")
        return {"preset": row["preset"], "values": Text(row["values"]), "source": whose}
    if "tuned within" not in row:
        return {name: str(value) for name, value in row.items()}
    tuned = f"tuned within {row['tuned within']}; " if row["tuned within"] != "-" else ""
    text = f"{row['what it does']}\n({row['allowed']}; {tuned}{row['methods']})"
    return {"option": row["option"], "value": str(row["value"]), "what it does": Text(text)}


def show(
    run_id: Annotated[str, typer.Argument(help="Id of a run, or its first characters (see 'cpbench list runs').")],
    results: Results = None,
    as_json: Json = False,
) -> None:
    """Show a run: its conditions, its matrix of scores and its cost.

    Example: cpbench show 3fa4
    """
    import json

    from ...reports.analysis.entry import entry_of
    from ...reports.tables.terminal import matrix_table
    from ..plain_json import json_text
    from ..streams import say
    from ..terminal import Terminal
    from ..verbs.listing import scale_of
    from ..verbs.runs import the_run
    from ..wording import one_line
    from .console import warn

    found = the_run(run_id, results, warn)
    if as_json:
        say(json_text(json.loads(found.model_dump_json(by_alias=True)), indent=1))
        return
    console, r = Terminal(), found.run
    console.print(
        one_line(f"{r.method} on {r.suite} (version {r.suite_version}), seed {r.seed}, {r.device}, {r.dtype}")
    )
    console.print(f"options: {json_text(r.options, ensure_ascii=False)}")
    if (scale := scale_of(r.options)) is not None:
        console.print(scale)
    console.print(matrix_table(entry_of(found)))


def diff(
    first: Annotated[str, typer.Argument(help="Id of a run, or its first characters (see 'cpbench list runs').")],
    second: Annotated[str, typer.Argument(help="Id of another run, or its first characters.")],
    results: Results = None,
    as_json: Json = False,
) -> None:
    """Show what differs between two runs, whether they may be compared, and how their numbers differ.

    Example: cpbench diff 3fa4 90bc
    """
    from ...reports.analysis.comparability import FORBIDS, unequal
    from ...reports.analysis.entry import entry_of
    from ...reports.tables.terminal import difference_table
    from ..plain_json import json_text
    from ..streams import say
    from ..terminal import Sheet, Terminal
    from ..verbs.runs import the_run
    from .console import warn

    a, b = (entry_of(the_run(run_id, results, warn)) for run_id in (first, second))
    found = list(unequal(a, b))
    if as_json:
        say(json_text([vars(u) for u in found], indent=1))
        return
    console, rows = Terminal(), Sheet("what", a.run.id[:8], b.run.id[:8], "consequence")
    for u in found:
        rows.add_row(u.what, u.first, u.second, u.follows, style="red" if u.follows == FORBIDS else "")
    console.print(rows if found else "The two runs are of the same method under the same conditions.")
    if any(u.follows == FORBIDS for u in found):
        console.print("These runs may not be compared.", style="red")
    else:
        console.print(difference_table(a, b))
