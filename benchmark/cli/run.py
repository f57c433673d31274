"""``cpbench run``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from . import options as o

ENGINE = ("channels_last", "deterministic", "checkpointing", "micro_batch", "inspect")


def run(
    methods: o.Methods,
    suite: o.OwnSuite = None,
    data: o.Data = None,
    nouns: o.Nouns = "",
    orders: o.Orders = "1",
    lengths: o.Lengths = None,
    seeds: o.Seeds = 1,
    protocol: o.Protocol = "final",
    film: o.Film = False,
    backbone: o.BackboneName = None,
    download: o.Download = False,
    device: o.Device = "auto",
    dtype: o.Dtype = "float32",
    compile_network: o.Compile = False,
    channels_last: o.ChannelsLast = False,
    deterministic: o.Deterministic = False,
    checkpointing: o.Checkpointing = False,
    micro_batch: o.MicroBatch = None,
    inspect: o.Inspect = "full",
    preset: o.PresetName = None,
    settings: o.Settings = None,
    threads: o.Threads = None,
    jobs: o.Jobs = "auto",
    executor: o.ExecutorName = "local",
    address: o.Address = None,
    max_hours: o.MaxHours = None,
    out: o.Out = Path("runs"),
    dry_run: o.DryRun = False,
    resolution: o.Resolution = None,
    baseline: o.Baseline = None,
    quiet: o.Quiet = False,
) -> None:
    """Run methods on a suite, write one record per run, and print the leaderboard.

    Example: cpbench run --methods dsc,clora --suite toybox-6 --orders 2

    Example with your own pictures: cpbench run --methods lora --data my-concepts --nouns cat,mug
    """
    given = locals()
    from ..verbs.sweep import sweep
    from .console import parse_settings, planning, recording

    given["suite"] = chosen_suite(suite, given.pop("data"), given.pop("nouns"), backbone, out, download=download)
    engine = {name: given.pop(name) for name in ENGINE}
    engine["compile"] = given.pop("compile_network")
    read = {"settings": parse_settings(settings or ()), "jobs": o.number_or_word(jobs), "engine": engine}
    with planning() if dry_run else recording(out, quiet=quiet, baseline=baseline) as view:
        sweep(**{name: value for name, value in given.items() if name != "quiet"} | read, on_event=view)


def chosen_suite(
    suite: str | None, data: Path | None, nouns: str, backbone: str | None, out: Path, *, download: bool
) -> Any:
    """The suite that is asked for; of a folder of own pictures, a sheet is written that shows what is learned."""
    from ..errors import BadInput
    from ..streams import say
    from ..wording import one_line

    if data is None:
        if nouns:
            raise BadInput("--nouns is for --data; a suite has its own nouns.")
        return suite or "toybox-6"
    if suite is not None:
        raise BadInput("--suite and --data: give one of them.")
    words = asked_nouns(data, nouns)
    from ..storage.store import writable
    from ..verbs.own import folder_suite, write_sheet

    found = folder_suite(data, words, backbone, download=download)
    say(one_line(f"Your pictures, as the model sees them: {write_sheet(found, writable(out))}"))
    return found


def asked_nouns(data: Path, nouns: str) -> str | dict[str, str]:
    """The nouns that are given, and those that a person at a terminal types for concepts that lack one."""
    if not sys.stdin.isatty():
        return nouns
    from ..suite.own import concept_folders, nouns_of

    found = concept_folders(data)
    known = nouns_of(found, nouns)
    for name in (name for name in found if name not in known):
        known[name] = typer.prompt(f"What is {name}? One ordinary word, e.g. cat").strip()
    return known
