"""The command line: reads arguments, composes the parts, prints. Heavy imports only inside commands."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from . import work as cli_work

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Benchmark of continual personalization for text-to-image diffusion models.\n\n"
    "Example: cpbench run --methods dsc,clora",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]

app.command()(cli_work.run)


@app.command()
def report(
    results: Annotated[Path, typer.Option(help="Folder of the result records.")] = Path("results"),
    out: Annotated[Path, typer.Option(help="Folder for tables and plots.")] = Path("report"),
    only: Annotated[
        str | None, typer.Option(help="One part: tables, plots, samples, site; or one plot: matrix, curves, shrinkage…")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit status 3 where the report is stale.")] = (
        False
    ),
) -> None:
    """Write tables (Markdown, CSV, LaTeX), plots (PNG, SVG, PDF), sample sheets and a site from the records.

    Example: cpbench report --results results --out report --only shrinkage
    """
    from .report import report as write

    write(results, out, only, check)


app.command()(cli_work.score)
app.command()(cli_work.check)


@app.command("list")
def list_(
    what: Annotated[
        str, typer.Argument(help="methods, options, suites, backbones, profiles, metrics or runs.")
    ] = "methods",
    results: Annotated[Path, typer.Option(help="Folder of the result records (for runs).")] = Path("results"),
    as_json: Json = False,
) -> None:
    """List what there is to choose from.

    Example: cpbench list suites
    """
    from . import show as queries

    queries.list_(what, results, as_json)


@app.command()
def show(
    run_id: Annotated[str, typer.Argument(help="The id of a run, or its first characters.")],
    results: Annotated[Path, typer.Option(help="Folder of the result records.")] = Path("results"),
    as_json: Json = False,
) -> None:
    """Show one run with its matrix.

    Example: cpbench show 3fa4
    """
    from . import show as queries

    queries.show(run_id, results, as_json)


@app.command()
def diff(
    first: Annotated[str, typer.Argument(help="The id of a run, or its first characters.")],
    second: Annotated[str, typer.Argument(help="That of another.")],
    results: Annotated[Path, typer.Option(help="Folder of the result records.")] = Path("results"),
    as_json: Json = False,
) -> None:
    """Say what differs between two runs, and whether they may be compared.

    Example: cpbench diff 3fa4 90bc
    """
    from . import show as queries

    queries.diff(first, second, results, as_json)


app.command()(cli_work.tune)


@app.command()
def conformance(
    name: Annotated[str, typer.Argument(help="A method, one of another package included.")],
    settings: Annotated[list[str] | None, typer.Option("--set", help="An option, e.g. dsc.temperature=0.05.")] = None,
    as_json: Json = False,
) -> None:
    """Check that a method keeps the contract: saved, reloaded, repeatable, and touching nothing that it may not.

    Example: cpbench conformance dsc
    """
    from .conformance import conformance as examine

    examine(name, settings or [], as_json)


@app.command()
def doctor(
    quick: Annotated[bool, typer.Option("--quick", help="Do not compare the checksums of all units.")] = False,
    as_json: Json = False,
) -> None:
    """Say what is installed, which devices there are, what will work, and what in the store is stale or damaged.

    Example: cpbench doctor
    """
    from . import show as queries

    queries.doctor(quick, as_json)


@app.command()
def gc(
    unused: Annotated[
        Path | None, typer.Option(help="Also units that no record of this folder is made of, e.g. results.")
    ] = None,
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", help="Also checkpoints of tasks that were interrupted.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """Free the disk of what dead processes left, of damaged units, and of more where asked for.

    Example: cpbench gc --unused results --dry-run
    """
    from .gc import collect

    collect(unused, checkpoints, dry_run)


app.command()(cli_work.pretrain)


def main(arguments: list[str] | None = None) -> None:
    """Entry point: every expected error is one sentence on stderr and an exit status."""
    from ..errors import CpbenchError
    from ..run.signals import answered

    try:
        with answered(_stop):
            app(arguments)
    except CpbenchError as error:
        _say(str(error))
        sys.exit(error.status)
    except BrokenPipeError:
        sys.exit(1)


def _stop(*_: object) -> None:
    """The answer to a signal where no command has its own, as while the libraries are loaded.

    It ends the process at once: nothing is under way yet, and an exception would end up in the C++ of a library that is
    being loaded, which aborts on it.
    """
    _say("interrupted.")
    sys.stderr.flush()
    os._exit(130)


def _say(sentence: Any) -> None:
    typer.echo(f"cpbench: {sentence}", err=True)


if __name__ == "__main__":
    main()
