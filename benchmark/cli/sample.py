"""``cpbench sample``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..paths import FILE
from .options import Device, Quiet, Results, SuiteOfRun, TaskNumber


def sample(
    run: Annotated[str, typer.Argument(help="Id of a run, or its first characters (see 'cpbench list runs').")],
    prompts: Annotated[
        list[str], typer.Argument(help="One prompt or several; <my-cat> stands for a concept, with its class noun.")
    ],
    task: TaskNumber = None,
    strength: Annotated[float, typer.Option(help="Multiply the change of the weights by this number, e.g. 0.8.")] = 1.0,
    pictures: Annotated[int, typer.Option(help="Pictures per prompt.")] = 4,
    seed: Annotated[int, typer.Option(help="Seed of the first picture; the next ones count up.")] = 0,
    suite: SuiteOfRun = None,
    results: Results = None,
    device: Device = "auto",
    dtype: Annotated[
        str | None,
        typer.Option(help="Number format of the model: float32, bfloat16 or float16. Default: that of the run."),
    ] = None,
    out: Annotated[Path, FILE, typer.Option(help="The picture to write.")] = Path("sample.png"),
    quiet: Quiet = False,
) -> None:
    """Draw pictures of prompts with what a run has learned, on one sheet.

    Example: cpbench sample 3fa4 "photo of a <mallow> on the beach" --task 2 --strength 0.8
    """
    from ...reports.grid import grid
    from ..run.progress import watching
    from ..streams import say
    from ..terminal import Terminal
    from ..verbs.sample import picture_file
    from ..verbs.sample import sample as verb
    from ..wording import counted, one_line
    from .console import interruptible

    picture_file(out)
    with interruptible("no picture is written"), watching(Terminal(), quiet=quiet) as view:
        found = verb(
            run, prompts, task=task, strength=strength, pictures=pictures, seed=seed, suite=suite, results=results,
            device=device, dtype=dtype, on_event=view,
        )  # fmt: skip
    state = f"after task {task}" if task is not None else "after the last task"
    more = f", strength {strength:g}" if strength != 1 else ""
    out.parent.mkdir(parents=True, exist_ok=True)
    grid(f"run {run}, {state}{more}", [(one.prompt, one.pictures) for one in found]).save(out)
    say(one_line(f"{counted(sum(len(one.pictures) for one in found), 'picture')} in {out}."))
