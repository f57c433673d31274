"""``cpbench pretrain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..paths import FOLDER
from .options import Quiet


def pretrain(
    out: Annotated[
        Path | None,
        FOLDER,
        typer.Option(help="Folder for data, checkpoints and weights. Default: pretrain/ in the cache folder."),
    ] = None,
    updates: Annotated[
        int | None,
        typer.Option(help="Train one round of this many updates, e.g. 500. Default: the rounds of the shipped model."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Build the toybox model from scratch. This takes hours on 2 cores, and resumes where it stopped.

    Example: cpbench pretrain --out ~/toybox
    """
    from dataclasses import replace

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TimeRemainingColumn

    from ..pretrain.recipe import PretrainOptions
    from ..pretrain.recipe import pretrain as stages
    from ..pretrain.stage import UPDATES
    from ..storage.store import home, writable
    from ..terminal import Terminal, words
    from .console import interruptible

    options = PretrainOptions()
    if updates is not None:
        options = replace(options, rounds=(UPDATES.check("--updates", updates),))
    folder = out or home() / "pretrain"
    writable(folder)
    columns = (words("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Terminal()
    bars = Progress(*columns, words("loss {task.fields[loss]:.4f}"), console=console, disable=quiet)
    with interruptible(), bars:
        tasks: dict[str, TaskID] = {}
        for step in stages(options, folder):
            if step.stage not in tasks:
                tasks[step.stage] = bars.add_task(step.stage, total=step.updates, loss=0.0)
            bars.update(tasks[step.stage], completed=step.step, loss=step.loss)
    console.print(f"The weights are in {folder / 'weights'}.", soft_wrap=True)
