"""``cpbench.speed``: how fast cpbench is, as ratios that can be compared before and after a change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated

from ...methods.inspection import CANDIDATES, PASSES
from ...methods.registry import choose_one
from ..errors import BadInput, unknown
from ..models.loading import pick_device
from ..numbers import Range
from ..plan.choices import Choice
from ..ranged import in_range
from ..run.environment import set_threads
from ..run.events import OnEvent, Preparing, ignored
from ..run.quiet import quiet_libraries
from ..speed.bench import Bench
from ..speed.commands import cli_measurements
from ..speed.drawing import drawing_measurements
from ..speed.first_run import run_measurements
from ..speed.growth import growth_measurements
from ..speed.row import Measurement, Row
from ..speed.scoring import scoring_measurements
from ..speed.training import dsc_measurements, fisher_measurements, step_measurements
from ..wording import shown
from .arguments import Names, joined

Repeats = Annotated[int, Range(1, 1000)]
_PROMPTS = _NETWORKS = 3  # of an iteration of DSC


def speed(
    only: Names = "all",
    *,
    repeats: Repeats = 5,
    backbone: str = "toybox",
    device: str = "auto",
    on_event: OnEvent = ignored,
) -> list[Row]:
    """Measure how fast cpbench is; one row per measurement.

    Ratios are those of paired times, measured in turns in this process with one thread. Below 1, cpbench is faster.
    Times of different machines cannot be compared: call it before and after a change, on one machine that is idle.

    only: parts of the table, or ``all``. ``step``, ``dsc``, ``fisher``: learning against the same passes written by
    hand. ``drawing``: against the pipeline of diffusers. ``scoring``: against torchmetrics. ``run``: the shares of a
    first run. ``growth``: counts by number of tasks. ``cli``: commands in fresh processes. repeats: pairs per
    measurement; single updates have four times as many. backbone: the model that learns and draws. on_event: called
    with ``Preparing`` before each measurement.

    Raises BadInput for an unknown part or model.
    """
    (repeats,) = in_range(speed, repeats=repeats)
    names, rows = _names(joined(only)), list[Row]()
    bench = Bench(backbone, str(pick_device(device)), repeats, choose_one, passes_beside)
    set_threads(1)
    with quiet_libraries():
        if set(names) - _WITHOUT_MODEL:
            on_event(Preparing("loading the model"))
            bench.check()
        planned = [one for name in names for one in PARTS[name](bench)]
        for k, one in enumerate(planned):
            on_event(Preparing(one.what, k, len(planned)))
            rows += one.make()
    return rows


def passes_beside(method: Choice, number: int, pictures: int) -> int:
    """Forward passes of a method of the catalogue in the task with a number, beside those of its updates.

    ``pictures``: how many a task has. They are those of the inspection, of DSC and of EWC.
    """
    o = method.options
    found = _examples(PASSES, pictures) * min(CANDIDATES, 1 + number)
    if "dsc" in o and number > 1:
        found += int(o["dsc"]["iterations"]) * int(o["dsc"]["batch"]) * _PROMPTS * _NETWORKS
    if "ewc" in o:
        found += _examples(int(o["ewc"]["passes"]), pictures)
    return found


def _examples(passes: int, pictures: int) -> int:
    """How many examples the gradients are taken of: of several, the first one counts twice, alone and in its batch."""
    n = passes * pictures
    return n + 1 if n > 1 else n


PARTS: Mapping[str, Callable[[Bench], Iterator[Measurement]]] = {
    "step": step_measurements,
    "dsc": dsc_measurements,
    "fisher": fisher_measurements,
    "drawing": drawing_measurements,
    "scoring": scoring_measurements,
    "run": run_measurements,
    "growth": growth_measurements,
    "cli": cli_measurements,
}
"""What measures each part of the table, in its order."""
_WITHOUT_MODEL = {"scoring", "cli"}


def _names(text: str) -> list[str]:
    """The parts that are asked for, each once, in the order of the table; raises BadInput for an unknown one."""
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    if not wanted:
        raise BadInput(f"--only '{shown(text)}': name at least one of {', '.join(PARTS)}, or all.")
    for name in wanted:
        if name not in PARTS and name != "all":
            raise unknown("part", name, [*PARTS, "all"])
    return [name for name in PARTS if name in wanted or "all" in wanted]
