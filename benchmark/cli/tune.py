"""``cpbench tune``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..paths import FOLDER
from .options import Jobs, Quiet, Threads, number_or_word


def tune(
    methods: Annotated[str, typer.Option(help="Names separated by commas (see 'cpbench list methods'), or 'all'.")],
    suites: Annotated[
        str,
        typer.Option(
            help="Names or YAML files, separated by commas, of suites whose concepts are in no reported suite."
        ),
    ] = "toybox-tune,toybox-tune-similar",
    trials: Annotated[
        int, typer.Option(help="Settings to try per option that a method tunes, beside the values that stand.")
    ] = 4,
    seeds: Annotated[int, typer.Option(help="Runs of each suite per trial, each with its own seed and order.")] = 2,
    length: Annotated[int, typer.Option(help="How many concepts of a suite to learn per run.")] = 6,
    threads: Threads = None,
    jobs: Jobs = "auto",
    out: Annotated[
        Path,
        FOLDER,
        typer.Option(
            help="Folder to write the trials to, one JSON file per method. What is chosen there is inherited first."
        ),
    ] = Path("tuned"),
    quiet: Quiet = False,
) -> None:
    """Search the options of each method, with as many trials per tuned option for every method.

    Methods come in the order of inheritance, and an interrupted search continues with the same command.

    Example: cpbench tune --methods lora,ewc,ewc-dc
    """
    from ..run.progress import watching
    from ..terminal import Terminal
    from ..verbs.tune import tune as verb
    from .console import interruptible

    console = Terminal()
    with interruptible(), watching(console, quiet=quiet) as view:
        found = verb(
            methods,
            suites,
            trials=trials,
            seeds=seeds,
            length=length,
            threads=threads,
            jobs=number_or_word(jobs),
            out=out,
            on_event=view,
        )
    for name, content in found.items():
        for line in _lines(name, content, out):
            console.print(line, soft_wrap=True)


def _lines(name: str, content: Mapping[str, Any], out: Path) -> Iterator[str]:
    """What was tried for a method, and what was best, in sentences."""
    from ...methods.search_space import space
    from ..wording import counted

    if not content:
        yield f"{name}: has no options of its own to tune"
        return
    trials, best = content["trials"], content["trials"][content["best"]]
    ranges = ", ".join(f"{key} {dimension}" for key, dimension in space(name).items())
    each = f"{content['trials_per_option']} per option and {_others(trials)}"
    yield f"{name}: {counted(len(trials), 'trial')} ({each}) in {ranges}"
    if taken := ", ".join(f"{key}={one['value']} ({one['from']})" for key, one in content["inherited"].items()):
        yield f"  inherited: {taken}"
    for trial in trials[:2]:
        if trial["role"] != "point" and trial is not best and trial["value"] is not None:
            yield f"  {_ROLES[trial['role']]}: {_value(trial)}"
    yield f"  best: {_settings(best)}: {_value(best)}"
    if learned := content.get("learned"):
        own = trials[learned["best"]]
        yield f"  learns best, for methods that build on it: {_settings(own)}: {_value(own['learned'])}"
    yield f"  {_pruned(content)}all trials are in {out / name}.json"


_ROLES = {"standing": "the values that stand", "anchor": "without scores"}


def _others(trials: list[dict[str, Any]]) -> str:
    return " and one ".join(_ROLES[t["role"]] for t in trials if t["role"] != "point")


def _settings(trial: Mapping[str, Any]) -> str:
    stands = " (the values that stand)" if trial["role"] == "standing" else ""
    return ", ".join(f"{key}={value}" for key, value in trial["settings"].items()) + stands


def _value(trial: Mapping[str, Any]) -> str:
    """The value of a trial in %, with its standard error, and that of each suite."""
    error = trial["standard_error"]
    spread = "" if error is None else f" ± {100 * error:.1f} (standard error)"
    suites = ", ".join(f"{name} {100 * value:.1f}" for name, value in trial["suites"].items())
    return f"identity {100 * trial['value']:.1f}{spread}; {suites}"


def _pruned(content: Mapping[str, Any]) -> str:
    """How many runs successive halving saved."""
    from ..wording import counted

    saved, every = content["rungs"][-1].get("saved", 0), len(content["trials"]) * content["trials"][0]["n"]
    return f"halving saved {saved} of {counted(every, 'run')}; " if saved else ""
