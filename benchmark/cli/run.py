"""``cpbench run``."""

from __future__ import annotations

from pathlib import Path

from . import options as o


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
    from ..verbs.sweep import sweep
    from .console import parse_settings, planning, recording

    with planning() if dry_run else recording(out, quiet=quiet, baseline=baseline) as view:
        sweep(
            methods,
            suite,
            orders=orders,
            lengths=lengths,
            seeds=seeds,
            protocol=protocol,
            film=film,
            backbone=backbone,
            download=download,
            device=device,
            dtype=dtype,
            preset=preset,
            settings=parse_settings(settings or ()),
            threads=threads,
            jobs=o.number_or_word(jobs),
            executor=executor,
            address=address,
            max_hours=max_hours,
            out=out,
            dry_run=dry_run,
            resolution=resolution,
            baseline=baseline,
            on_event=view,
        )
