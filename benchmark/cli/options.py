"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Results = Annotated[Path, typer.Option(help="Folder of the result records.")]
Out = Annotated[Path, typer.Option(help="Folder to write the result records to.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Threads = Annotated[
    int | None, typer.Option(help="CPU threads per process; one by default, for the same numbers everywhere.")
]
Jobs = Annotated[int, typer.Option(help="Processes on this machine; with GPUs, one per GPU.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="An option of a method, e.g. dsc.temperature=0.05; see 'cpbench list options'."),
]

Methods = Annotated[
    str, typer.Option(help="Names separated by commas, 'all', or 'all+plugins' (see 'cpbench list methods').")
]
SuiteName = Annotated[str, typer.Option(help="A suite by name, or the path of its YAML file.")]
Orders = Annotated[
    str,
    typer.Option(
        help="How many task orders: the suite's own, its reverse, then drawn ones. Or 'all', or orders such as "
        "'2,1,3/3,2,1' by place or name."
    ),
]
Lengths = Annotated[
    str | None, typer.Option(help="How many concepts of each order to learn, e.g. 2,4,6; all by default.")
]
Seeds = Annotated[int, typer.Option(help="How many seeds of training and sampling.")]
Protocol = Annotated[
    str,
    typer.Option(
        help="When to measure each concept: 'final' (before any task, after its own task and after the last) or 'full' "
        "(after every task)."
    ),
]
BackboneName = Annotated[
    str | None, typer.Option(help="toybox, a folder in diffusers' layout, or a hub id; the suite's own by default.")
]
Dtype = Annotated[str, typer.Option(help="float32 or bfloat16.")]
ExecutorName = Annotated[str, typer.Option(help="'local' or 'ray'.")]
Address = Annotated[
    str | None, typer.Option(help="The Ray cluster, e.g. 'auto'; by default one on this machine alone.")
]
MaxHours = Annotated[
    float | None, typer.Option("--max-hours", help="Begin no unit of work after so many hours; exit status 75.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and what it will take; do nothing.")]
