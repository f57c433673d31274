"""The command line: reads arguments, composes the parts, prints. Heavy imports only inside commands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Benchmark of continual personalization for text-to-image diffusion models.\n\n"
    "Example: cpbench run --methods dsc,clora",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Out = Annotated[Path, typer.Option(help="Folder of the result records.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]
Threads = Annotated[
    int | None, typer.Option(help="CPU threads of a process; one when not given, for the same numbers everywhere.")
]
Jobs = Annotated[int, typer.Option(help="Processes on this machine; one a GPU where there are any.")]


@app.command()
def run(
    methods: Annotated[str, typer.Option(help="Names separated by commas, or 'all' (see 'cpbench list methods').")],
    suite: Annotated[str, typer.Option(help="A suite by name, or the path of its YAML file.")] = "toybox-6",
    orders: Annotated[
        str,
        typer.Option(
            help="A number of task orders (as given, reversed, then drawn from seed 20410), 'all', or a list like "
            "'2,1,3/3,2,1' of places or names."
        ),
    ] = "1",
    lengths: Annotated[
        str | None, typer.Option(help="How many concepts of each order to learn, e.g. 2,4,6; all when not given.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds of training and sampling.")] = 1,
    protocol: Annotated[str, typer.Option(help="Cells to measure: 'final' or 'full'.")] = "final",
    backbone: Annotated[str | None, typer.Option(help="toybox, a diffusers folder, or a hub id.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    settings: Annotated[list[str] | None, typer.Option("--set", help="An option, e.g. dsc.temperature=0.05.")] = None,
    threads: Threads = None,
    jobs: Jobs = 1,
    executor: Annotated[str, typer.Option(help="'local' or 'ray'.")] = "local",
    address: Annotated[
        str | None, typer.Option(help="Of the Ray cluster, e.g. 'auto'; one of this machine alone when not given.")
    ] = None,
    max_hours: Annotated[
        float | None, typer.Option("--max-hours", help="Begin no unit after so many hours; exit status 75.")
    ] = None,
    out: Out = Path("results"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan with what it will take; do nothing.")] = (
        False
    ),
    quiet: Quiet = False,
) -> None:
    """Run methods on a suite, write result records, and print the leaderboard.

    Example: cpbench run --methods dsc,clora --suite toybox-6 --orders 2 --jobs 2
    """
    arguments = locals() | {"settings": tuple(settings or ())}
    from .running import RunRequest
    from .running import run as sweep

    sweep(RunRequest(**arguments))


@app.command()
def report(
    results: Annotated[Path, typer.Option(help="Folder of the result records.")] = Path("results"),
    out: Annotated[Path, typer.Option(help="Folder for tables and plots.")] = Path("report"),
    only: Annotated[str | None, typer.Option(help="One plot alone: matrix, curves, shrinkage or fisher.")] = None,
) -> None:
    """Write tables (Markdown, CSV), plots and sample sheets from the records.

    Example: cpbench report --results results --out report --only shrinkage
    """
    from . import commands

    commands.report(results, out, only)


@app.command()
def score(
    runs: Annotated[
        list[str] | None, typer.Argument(help="Ids of runs, or their first characters; all if none.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="See 'cpbench list profiles'; the suite's own if none.")] = None,
    metrics: Annotated[str, typer.Option(help="More metrics, separated by commas (see 'cpbench list metrics').")] = "",
    suite: Annotated[str | None, typer.Option(help="The spec of the runs, where it is not one of cpbench's.")] = None,
    results: Annotated[Path, typer.Option(help="Folder of the result records.")] = Path("results"),
    out: Annotated[Path | None, typer.Option(help="Folder of the new records; beside the old if none.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Score the kept pictures of runs under another profile or with more metrics; nothing is trained.

    Example: cpbench score --profile custom-diffusion
    """
    from .rescore import ScoreRequest
    from .rescore import score as again

    more = tuple(m.strip() for m in metrics.split(",") if m.strip())
    request = ScoreRequest(tuple(runs or ()), profile, more, suite, results, out or results, device, threads, quiet)
    again(request)


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
    from . import queries

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
    from . import queries

    queries.show(run_id, results, as_json)


@app.command()
def tune(
    methods: Annotated[str, typer.Option(help="Names separated by commas, or 'all'.")],
    suite: Annotated[str, typer.Option(help="A suite whose concepts are reported nowhere.")] = "toybox-tune",
    trials: Annotated[int, typer.Option(help="Settings to try of each method, the default among them.")] = 8,
    length: Annotated[int, typer.Option(help="How many concepts of the suite are learned in a trial.")] = 3,
    threads: Threads = None,
    out: Annotated[Path, typer.Option(help="Folder of the trials, one JSON a method.")] = Path("methods/tuned"),
    quiet: Quiet = False,
) -> None:
    """Search the options of each method, with as many trials for one as for another.

    Example: cpbench tune --methods clora,dsc --trials 8
    """
    from .tuning import TuneRequest
    from .tuning import tune as search

    search(TuneRequest(methods, suite, trials, length, threads, out, quiet))


@app.command()
def conformance(
    name: Annotated[str, typer.Argument(help="A method, one of another package included.")],
    settings: Annotated[list[str] | None, typer.Option("--set", help="An option, e.g. dsc.temperature=0.05.")] = None,
    as_json: Json = False,
) -> None:
    """Check that a method keeps the contract: saved, reloaded, repeatable, and touching nothing that it may not.

    Example: cpbench conformance dsc
    """
    from . import queries

    queries.conformance(name, settings or [], as_json)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what is installed, which devices there are, and what will work.

    Example: cpbench doctor
    """
    from . import queries

    queries.doctor(as_json)


@app.command()
def pretrain(
    out: Annotated[Path | None, typer.Option(help="Folder for data, checkpoints and weights.")] = None,
    updates: Annotated[int | None, typer.Option(help="Updates of the diffusion stage.")] = None,
    quiet: Quiet = False,
) -> None:
    """Build the toybox model from nothing; hours on two cores, resumed where it stopped.

    Example: cpbench pretrain --out ~/toybox
    """
    from . import commands

    commands.pretrain(out, updates, quiet)


def main(arguments: list[str] | None = None) -> None:
    """Entry point: every expected error is one sentence on stderr and an exit status."""
    from .errors import CpbenchError

    try:
        app(arguments)
    except CpbenchError as error:
        _say(str(error))
        sys.exit(error.status)
    except BrokenPipeError:
        sys.exit(1)


def _say(sentence: Any) -> None:
    typer.echo(f"cpbench: {sentence}", err=True)


if __name__ == "__main__":
    main()
