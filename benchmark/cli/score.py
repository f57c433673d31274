"""``cpbench score``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..paths import FOLDER
from .options import Device, Jobs, Quiet, Results, Threads, number_or_word


def score(
    runs: Annotated[
        list[str] | None,
        typer.Argument(help="Ids of runs, or their first characters (see 'cpbench list runs'). Default: all runs."),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(help="How to score (see 'cpbench list profiles'). Default: the suite's own profile."),
    ] = None,
    metrics: Annotated[
        str, typer.Option(help="Metrics to add to the profile, separated by commas (see 'cpbench list metrics').")
    ] = "",
    suite: Annotated[
        str | None, typer.Option(help="Name or YAML file of the suite of the runs, if this machine does not know it.")
    ] = None,
    strengths: Annotated[
        str,
        typer.Option(
            help="Draw new pictures, with the change of the weights multiplied by each of these numbers, e.g. .4,.6,.8."
        ),
    ] = "",
    results: Results = None,
    out: Annotated[
        Path | None,
        FOLDER,
        typer.Option(help="Folder to write the new records to. Default: the first --results, or runs."),
    ] = None,
    device: Device = "auto",
    threads: Threads = None,
    jobs: Jobs = "auto",
    quiet: Quiet = False,
) -> None:
    """Score stored pictures of runs under another profile or with more metrics; nothing is trained.

    Example: cpbench score --profile custom-diffusion

    With --strengths, reports compare methods at equal text alignment: a method that shows its concept more strongly
    follows the rest of the prompt less.
    """
    from ..verbs.score import records_out
    from ..verbs.score import score as verb
    from .console import recording

    with recording(out or records_out(results), quiet=quiet) as view:
        verb(
            runs or (),
            profile=profile,
            metrics=metrics,
            suite=suite,
            strengths=strengths,
            results=results,
            out=out,
            device=device,
            threads=threads,
            jobs=number_or_word(jobs),
            on_event=view,
        )
