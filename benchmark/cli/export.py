"""``cpbench export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..paths import FOLDER
from .options import Results, SuiteOfRun, TaskNumber


def export(
    run: Annotated[str, typer.Argument(help="Id of a run, or its first characters (see 'cpbench list runs').")],
    task: TaskNumber = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="diffusers, peft, kohya (also read by WebUI and ComfyUI): changes of weights and tokens. merged: a "
            "whole pipeline.",
        ),
    ] = "diffusers",
    rank: Annotated[
        int | None,
        typer.Option(help="Cut changes of weights to this rank, e.g. 16. Default: exact, whatever it takes."),
    ] = None,
    concept: Annotated[
        str | None, typer.Option(help="Of a method with an adapter per concept: only that of this concept.")
    ] = None,
    suite: SuiteOfRun = None,
    results: Results = None,
    out: Annotated[
        Path | None, FOLDER, typer.Option(help="New folder. Default: export/<method>-<run>-task<N>-<format>.")
    ] = None,
) -> None:
    """Write what a run has learned as files for diffusers, peft, WebUI or ComfyUI, with a README that loads them.

    Example: cpbench export 3fa4 --format kohya
    """
    from ..streams import say
    from ..terminal import Terminal, working
    from ..verbs.export import export as verb
    from ..wording import counted, one_line
    from .console import interruptible, warn

    console = Terminal()
    with interruptible("nothing is written"), working(console, "loading the model"):
        found = verb(
            run, task=task, form=form, rank=rank, concept=concept, suite=suite, results=results, out=out, on_fault=warn
        )
    if found.what.rank is not None:
        console.print(
            f"Cut to rank {found.what.rank}: the largest relative error of a layer is {found.what.error:.2g}."
        )
    say(one_line(f"{counted(len(found.files), 'file')} in {found.folder}; README.md shows how to load them."))
