"""The command line: one file of this folder per command. Heavy imports happen only inside commands."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Annotated

import typer

from ..streams import occupy, say, streams
from ..wording import one_line
from .adapters import score_adapters
from .check import check
from .command import Command, WrongUse, wrong_use
from .compare import compare
from .conformance import conformance
from .data import data
from .doctor import doctor
from .export import export
from .gc import gc
from .pretrain import pretrain
from .report import report
from .run import run
from .sample import sample
from .score import score
from .show import diff, list_, show
from .speed import speed
from .tune import tune
from .validate import validate

app = typer.Typer(
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Benchmark of continual personalization for text-to-image diffusion models.\n\n"
    "Example: cpbench run --methods dsc,clora",
)
app.command(cls=Command, short_help="Run methods on a suite, and record the results.")(run)
app.command(cls=Command, short_help="Write tables, plots and a site from records.")(report)
app.command(cls=Command, short_help="Score kept pictures again; nothing is trained.")(score)
app.command("score-adapters", cls=Command, short_help="Score LoRA files of other programs.")(score_adapters)
app.command(cls=Command, short_help="Re-run stored runs and show what changed.")(check)
app.command("list", cls=Command, short_help="List methods, options, suites and more.")(list_)
app.command(cls=Command, short_help="Show one run: conditions, matrix and cost.")(show)
app.command(cls=Command, short_help="Show what differs between two runs.")(diff)
app.command(cls=Command, short_help="Draw pictures with what a run has learned.")(sample)
app.command(cls=Command, short_help="Write a trained state for other programs.")(export)
app.command(cls=Command, short_help="Show differences of methods, runs or folders.")(compare)
app.command(cls=Command, short_help="Examine records, and name every fault.")(validate)
app.command(cls=Command, short_help="Search the options of each method.")(tune)
app.command(cls=Command, short_help="Check that a method keeps the contract.")(conformance)
app.command(cls=Command, short_help="Fetch and check pictures of data sets.")(data)
app.command(cls=Command, short_help="Check the installation and the store.")(doctor)
app.command(cls=Command, short_help="Measure how fast cpbench is, in ratios.")(speed)
app.command(cls=Command, short_help="Free disk space that nothing needs.")(gc)
app.command(cls=Command, short_help="Build the toybox model from scratch (hours).")(pretrain)


def _version(asked: bool) -> None:
    if asked:
        from ... import __version__

        say(f"cpbench {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _global(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take the options that are given before a command."""
    if context.invoked_subcommand is None:
        say(context.get_help(), error=True)
        raise typer.Exit(2)


def main(arguments: list[str] | None = None) -> None:
    """Entry point: every expected error, and every one of the system, is a sentence on stderr and an exit status."""
    from ..run.signals import BOTH, answer_with, answered, deaf

    if arguments is None:  # a process of its own: signals are answered until it is gone
        answer_with(end_process)
        occupy()
    try:
        with answered(end_process), streams() as fault:
            status = _status(arguments)
            if lost := fault():
                _print_error(f"not all output could be written ({lost}); what was recorded before is kept.")
                status = status or 1
        sys.exit(status)
    finally:
        if arguments is None:
            deaf(*BOTH)  # its work is done, and its status is known


def _status(arguments: list[str] | None) -> int:
    """Run a command; returns its exit status."""
    from ..errors import CpbenchError

    try:
        return _run(arguments)
    except CpbenchError as error:
        _print_error(str(error))
        return error.status
    except WrongUse as error:
        _print_error(wrong_use(error))
        return 2


def _run(arguments: list[str] | None) -> int:
    try:
        return app(arguments, standalone_mode=False) or 0
    except OSError as error:
        from ..errors import FailedRun
        from ..places import home_named
        from ..storage.machine import sentence

        raise FailedRun(sentence(error, home_named())) from None


def end_process(*_: object) -> None:
    """Answer a signal where no command answers it, e.g. while libraries are loaded: end the process at once.

    Nothing is under way yet, and an exception would reach the C++ of a library that is being loaded, which aborts. The
    streams may be in use at this very moment, so this writes beside them.
    """
    with suppress(OSError):
        os.write(2, b"cpbench: interrupted.\n")
    os._exit(130)


def _print_error(sentence: str) -> None:
    say(one_line(f"cpbench: {sentence}"), error=True)


if __name__ == "__main__":
    main()
