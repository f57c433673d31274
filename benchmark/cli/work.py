"""The commands that compute: run, score, check, tune, pretrain. Heavy imports only inside them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option(help="Folder of the result records.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]
Threads = Annotated[
    int | None, typer.Option(help="CPU threads of a process; one when not given, for the same numbers everywhere.")
]
Jobs = Annotated[int, typer.Option(help="Processes on this machine; one a GPU where there are any.")]


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
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
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
    from .run import RunRequest
    from .run import run as sweep

    sweep(RunRequest(**arguments))


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
    from .score import ScoreRequest
    from .score import score as again

    more = tuple(m.strip() for m in metrics.split(",") if m.strip())
    request = ScoreRequest(tuple(runs or ()), profile, more, suite, results, out or results, device, threads, quiet)
    again(request)


def check(
    methods: Annotated[str, typer.Option(help="Names separated by commas, or 'all' that are stored.")] = "all",
    suite: Annotated[str, typer.Option(help="A suite whose stored runs are done again.")] = "toybox-2",
    against: Annotated[Path, typer.Option(help="Folder of the stored records.")] = Path("results"),
    results: Annotated[Path | None, typer.Option(help="Records to compare, instead of new runs.")] = None,
    seeds: Annotated[int, typer.Option(help="How many of the stored seeds are run again.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    jobs: Jobs = 1,
    junit: Annotated[Path | None, typer.Option(help="Also write JUnit XML here.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Also write a summary in Markdown here.")] = None,
    update: Annotated[str | None, typer.Option(help="Take what moved as the new truth, for this reason.")] = None,
    quiet: Quiet = False,
) -> None:
    """Do stored runs again and say what moved: exit status 3 if anything did.

    Example: cpbench check --methods lora,dsc --junit check.xml
    """
    arguments = locals()
    from .check import CheckRequest
    from .check import check as compare

    compare(CheckRequest(**arguments))


def tune(
    methods: Annotated[str, typer.Option(help="Names separated by commas, or 'all'.")],
    suite: Annotated[str, typer.Option(help="A suite whose concepts are reported nowhere.")] = "toybox-tune",
    trials: Annotated[int, typer.Option(help="Settings to try of each method, the default among them.")] = 6,
    length: Annotated[int, typer.Option(help="How many concepts of the suite are learned in a trial.")] = 3,
    threads: Threads = None,
    out: Annotated[Path, typer.Option(help="Folder of the trials, one JSON a method.")] = Path("methods/tuned"),
    quiet: Quiet = False,
) -> None:
    """Search the options of each method, with as many trials for one as for another.

    Example: cpbench tune --methods clora,dsc
    """
    from .tune import TuneRequest
    from .tune import tune as search

    search(TuneRequest(methods, suite, trials, length, threads, out, quiet))


def pretrain(
    out: Annotated[Path | None, typer.Option(help="Folder for data, checkpoints and weights.")] = None,
    updates: Annotated[int | None, typer.Option(help="Updates of the diffusion stage.")] = None,
    quiet: Quiet = False,
) -> None:
    """Build the toybox model from nothing; hours on two cores, resumed where it stopped.

    Example: cpbench pretrain --out ~/toybox
    """
    from . import pretrain as stages

    stages.pretrain(out, updates, quiet)
