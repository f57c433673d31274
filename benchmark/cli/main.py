"""The command line: one file of this folder per command. Heavy imports happen only inside commands."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from .check import check
from .compare import compare
from .conformance import conformance
from .doctor import doctor
from .gc import gc
from .pretrain import pretrain
from .report import report
from .run import run
from .score import score
from .show import diff, list_, show
from .tune import tune
from .validate import validate

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Benchmark of continual personalization for text-to-image diffusion models.\n\n"
    "Example: cpbench run --methods dsc,clora",
)
app.command(short_help="Run methods on a suite, and record the results.")(run)
app.command(short_help="Write tables, plots and a site from records.")(report)
app.command(short_help="Score kept pictures again; nothing is trained.")(score)
app.command(short_help="Re-run stored runs and show what changed.")(check)
app.command("list", short_help="List methods, options, suites and more.")(list_)
app.command(short_help="Show one run: conditions, matrix and cost.")(show)
app.command(short_help="Show what differs between two runs.")(diff)
app.command(short_help="Show differences of methods, runs or folders.")(compare)
app.command(short_help="Examine records, and name every fault.")(validate)
app.command(short_help="Search the options of each method.")(tune)
app.command(short_help="Check that a method keeps the contract.")(conformance)
app.command(short_help="Check the installation and the store.")(doctor)
app.command(short_help="Free disk space that nothing needs.")(gc)
app.command(short_help="Build the toybox model from scratch (hours).")(pretrain)


def _version(asked: bool) -> None:
    if asked:
        from ... import __version__

        typer.echo(f"cpbench {__version__}")
        raise typer.Exit


@app.callback()
def _global(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take the options that are given before a command."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point: every expected error is one sentence on stderr and an exit status."""
    from ..errors import CpbenchError
    from ..run.signals import answer_with, answered, held

    if arguments is None:  # a process of its own: signals are answered until it is gone
        answer_with(end_process)
    try:
        with answered(end_process):
            app(arguments)
    except CpbenchError as error:
        _print_error(str(error))
        sys.exit(error.status)
    except BrokenPipeError:
        sys.exit(1)
    finally:
        if arguments is None:
            held()


def end_process(*_: object) -> None:
    """Answer a signal where no command answers it, e.g. while libraries are loaded: end the process at once.

    Nothing is under way yet, and an exception would reach the C++ of a library that is being loaded, which aborts.
    """
    _print_error("interrupted.")
    sys.stderr.flush()
    os._exit(130)


def _print_error(sentence: Any) -> None:
    typer.echo(f"cpbench: {sentence}", err=True)


if __name__ == "__main__":
    main()
