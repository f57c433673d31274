"""``cpbench run``."""

from __future__ import annotations

from pathlib import Path

from . import options as o

ENGINE = ("channels_last", "deterministic", "checkpointing", "micro_batch", "inspect")


def run(
    methods: o.Methods,
    suite: o.SuiteName = "toybox-6",
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
    """
    given = locals()
    from ..verbs.sweep import sweep
    from .console import parse_settings, planning, recording

    engine = {name: given.pop(name) for name in ENGINE}
    engine["compile"] = given.pop("compile_network")
    read = {"settings": parse_settings(settings or ()), "jobs": o.number_or_word(jobs), "engine": engine}
    with planning() if dry_run else recording(out, quiet=quiet, baseline=baseline) as view:
        sweep(**{name: value for name, value in given.items() if name != "quiet"} | read, on_event=view)
