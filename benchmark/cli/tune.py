"""``cpbench tune``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..paths import FOLDER
from .options import Jobs, Quiet, Threads, number_or_word


def tune(
    methods: Annotated[str, typer.Option(help="Names separated by commas (see 'cpbench list methods'), or 'all'.")],
    suite: Annotated[
        str, typer.Option(help="Name or YAML file of a suite whose concepts are in no reported suite.")
    ] = "toybox-tune",
    trials: Annotated[int, typer.Option(help="Settings to try per method; its defaults are among them.")] = 6,
    length: Annotated[int, typer.Option(help="How many concepts of the suite to learn per trial.")] = 3,
    threads: Threads = None,
    jobs: Jobs = "auto",
    out: Annotated[Path, FOLDER, typer.Option(help="Folder to write the trials to, one JSON file per method.")] = Path(
        "tuned"
    ),
    quiet: Quiet = False,
) -> None:
    """Search the options of each method, with the same number of trials for every method.

    Example: cpbench tune --methods clora,dsc
    """
    from ...methods.search_space import space
    from ..run.progress import watching
    from ..terminal import Terminal
    from ..verbs.tune import best
    from ..verbs.tune import tune as verb
    from ..wording import counted
    from .console import interruptible

    console = Terminal()
    with interruptible(), watching(console, quiet=quiet) as view:
        found = verb(
            methods,
            suite,
            trials=trials,
            length=length,
            threads=threads,
            jobs=number_or_word(jobs),
            out=out,
            on_event=view,
        )
    for name, tried in found.items():
        if (winner := best(tried)) is not None:
            settings = ", ".join(f"{key}={value}" for key, value in tried[winner]["settings"].items())
            ranges = ", ".join(f"{key} {r.low:g} to {r.high:g}" for key, r in space(name).items())
            console.print(f"{name}: {counted(len(tried), 'trial')} in {ranges}", soft_wrap=True)
            console.print(f"  best: {settings}; all trials are in {out / name}.json", soft_wrap=True)
        else:
            console.print(f"{name}: has no options of its own to tune")
