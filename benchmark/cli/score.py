"""``cpbench score``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Device, Quiet, Results, Threads


def score(
    runs: Annotated[
        list[str] | None, typer.Argument(help="Ids of runs, or their first characters; all runs by default.")
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(help="How to score (see 'cpbench list profiles'); the suite's own profile by default."),
    ] = None,
    metrics: Annotated[
        str, typer.Option(help="Metrics to add to those of the profile, separated by commas (see 'list metrics').")
    ] = "",
    suite: Annotated[
        str | None, typer.Option(help="The spec of the runs, where cpbench does not ship their suite.")
    ] = None,
    results: Results = Path("results"),
    out: Annotated[
        Path | None, typer.Option(help="Folder of the new records; the folder of the old ones by default.")
    ] = None,
    device: Device = "auto",
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Score the kept pictures of runs under another profile or with more metrics; nothing is trained.

    Example: cpbench score --profile custom-diffusion
    """
    from ..verbs.score import score as verb
    from .console import recording

    with recording(out or results, quiet=quiet) as view:
        verb(
            runs or (),
            profile=profile,
            metrics=metrics,
            suite=suite,
            results=results,
            out=out,
            device=device,
            threads=threads,
            on_event=view,
        )
