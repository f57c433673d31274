"""``cpbench pretrain``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .console import interruptible


@interruptible()
def pretrain(out: Path | None, updates: int | None, quiet: bool) -> None:
    """Build the toybox model, with a bar a stage."""
    from dataclasses import replace

    from ..pretrain.recipe import PretrainOptions
    from ..pretrain.recipe import pretrain as stages
    from ..storage.store import home, writable

    folder = out or home() / "pretrain"
    writable(folder)
    recipe = replace(PretrainOptions(), rounds=(updates,)) if updates else PretrainOptions()
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("loss {task.fields[loss]:.4f}"), disable=quiet) as bars:
        tasks: dict[str, Any] = {}
        for step in stages(recipe, folder):
            if step.stage not in tasks:
                tasks[step.stage] = bars.add_task(step.stage, total=step.updates, loss=0.0)
            bars.update(tasks[step.stage], completed=step.step, loss=step.loss)
    Console().print(f"weights in {folder / 'weights'}", highlight=False, soft_wrap=True)
