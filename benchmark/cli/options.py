"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ..paths import FOLDER


def complete_methods(incomplete: str) -> Iterator[str]:
    """Names of methods, for the last of a list separated by commas."""
    from ...methods.catalogue import CATALOGUE

    before, comma, last = incomplete.rpartition(",")
    yield from (f"{before}{comma}{name}" for name in ("all", *CATALOGUE) if name.startswith(last))


def complete_suites(incomplete: str) -> Iterator[str]:
    """Names of suites."""
    from importlib.resources import files

    names = (Path(file.name) for file in files("cpbench.datasets_spec").iterdir())
    yield from sorted(name.stem for name in names if name.suffix == ".yaml" and name.stem.startswith(incomplete))


def number_or_word(text: str) -> int | str:
    """The whole number that a text stands for, else the text itself."""
    try:
        return int(text)
    except ValueError:
        return text


Results = Annotated[
    list[Path] | None,
    FOLDER,
    typer.Option(
        help="Folder of records. Repeatable: the first that holds a run counts. Default: runs, and the records that "
        "cpbench ships."
    ),
]
Out = Annotated[Path, FOLDER, typer.Option(help="Folder to write the records to.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Device = Annotated[
    str, typer.Option(help="Where the model runs: cpu, cuda, cuda:1, mps, or auto (a GPU if there is one).")
]
Threads = Annotated[
    int | None,
    typer.Option(help="CPU threads per process. Default: 1; other numbers change the last digits of scores."),
]
Jobs = Annotated[
    str,
    typer.Option(
        metavar="<int|auto>",
        help="Number of processes on this machine, e.g. 4. Default: as many as cores, free memory, GPUs and the work "
        "admit. Several GPUs are shared out among them.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Set an option of a method (see 'cpbench list options'), e.g. dsc.temperature=0.05. Repeatable."
    ),
]

PresetName = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="Published settings of methods (see 'cpbench list presets'), e.g. lora/cifc. What --set says counts more.",
    ),
]
Methods = Annotated[
    str,
    typer.Option(
        help="Names separated by commas (see 'cpbench list methods'), 'all', or 'all+plugins'.",
        autocompletion=complete_methods,
    ),
]
SuiteName = Annotated[
    str,
    typer.Option(
        help="Name of a suite (see 'cpbench list suites'), or path of its YAML file.", autocompletion=complete_suites
    ),
]
OwnSuite = Annotated[
    str | None,
    typer.Option(
        "--suite",
        help="Name of a suite (see 'cpbench list suites'), or path of its YAML file. Default: toybox-6.",
        autocompletion=complete_suites,
    ),
]
Data = Annotated[
    Path | None,
    FOLDER,
    typer.Option(help="In place of a suite: a folder of your own, with a folder of pictures per concept."),
]
Nouns = Annotated[
    str, typer.Option(help="Class nouns of these concepts, e.g. cat,mug or my-cat=cat. Default: asked, or in the name.")
]
SuiteOfRun = Annotated[
    str | None,
    typer.Option("--suite", help="Name or YAML file of the suite of the run, if this machine does not know it."),
]
TaskNumber = Annotated[
    int | None, typer.Option("--task", help="The task after which the state is taken, e.g. 2. Default: the last one.")
]
Orders = Annotated[
    str,
    typer.Option(
        help="Number of task orders: the suite's own, its reverse, then random ones. Or 'all', or the orders "
        "themselves, by place or name, e.g. '2,1,3/3,2,1'."
    ),
]
Lengths = Annotated[
    str | None, typer.Option(help="How many concepts of each order to learn, e.g. 2,4,6. Default: all.")
]
Seeds = Annotated[
    int, typer.Option(help="Number of seeds; each repeats training and sampling with other random numbers.")
]
Protocol = Annotated[
    str,
    typer.Option(
        help="When to measure each concept: 'final' (before any task, after its own task and after the last) or 'full' "
        "(after every task)."
    ),
]
Film = Annotated[
    bool,
    typer.Option(
        "--film",
        help="Draw two pictures of each learned concept after every task, for sample sheets and the site. Default: "
        "after tasks 1, 2, 4, 8 and so on, and the last.",
    ),
]
BackboneName = Annotated[
    str | None,
    typer.Option(
        help="The model: toybox, sd14, sd15, sd21, sd21-base, sdxl, a folder in diffusers' layout, or a hub id. "
        "Default: the suite's own."
    ),
]
Download = Annotated[
    bool,
    typer.Option("--download", help="Fetch the model from the Hugging Face Hub if it is not on this machine."),
]
Dtype = Annotated[str, typer.Option(help="Number format of the model: float32, bfloat16 or float16.")]
Compile = Annotated[
    bool,
    typer.Option("--compile", help="Compile the network (torch.compile): a slow start, then faster on most GPUs."),
]
ChannelsLast = Annotated[
    bool,
    typer.Option("--channels-last", help="Keep channels beside each other in memory: faster convolutions on GPUs."),
]
Deterministic = Annotated[
    bool,
    typer.Option("--deterministic", help="Use only operations that give the same bits each time on a GPU; slower."),
]
Checkpointing = Annotated[
    bool,
    typer.Option(
        "--checkpointing",
        help="Compute activations again instead of keeping them: much less memory in training, a third slower.",
    ),
]
MicroBatch = Annotated[
    int | None,
    typer.Option(
        "--micro-batch",
        help="The most pictures at once in training, with the gradients of the whole batch. Default: the batch, and "
        "fewer where a GPU has too little memory.",
    ),
]
Inspect = Annotated[
    str,
    typer.Option(
        help="What is looked at after each task, beside pictures: full (scores and Fisher information), cheap (scores) "
        "or off."
    ),
]
ExecutorName = Annotated[
    str, typer.Option(help="Where units are computed: 'local' (this machine) or 'ray' (a Ray cluster).")
]
Address = Annotated[
    str | None, typer.Option(help="Address of the Ray cluster, e.g. 'auto'. Default: a new one on this machine.")
]
MaxHours = Annotated[
    float | None,
    typer.Option(
        "--max-hours",
        help="Start no new unit after this many hours, e.g. 7.5, and exit with status 75. Default: no limit.",
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option(
        help="Add a column: the average minus that of this method, in pairs of runs of the same order and seed.",
        autocompletion=complete_methods,
    ),
]
Resolution = Annotated[
    float | None,
    typer.Option(
        help="With --dry-run: print how many runs it takes to separate methods whose averages differ by this many "
        "%-points, e.g. 5."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and how long it will take; compute nothing.")]
