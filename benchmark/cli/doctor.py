"""``cpbench doctor``."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import BackboneName, Dtype, Json


def doctor(
    quick: Annotated[
        bool, typer.Option("--quick", help="Skip the devices, loading the model, and the checksums of the units.")
    ] = False,
    backbone: BackboneName = None,
    suite: Annotated[
        str | None, typer.Option(help="With or without --backbone: whether methods on this suite fit a GPU.")
    ] = None,
    methods: Annotated[str, typer.Option(help="The methods, separated by commas.")] = "lora,ewc-dc,dsc",
    dtype: Dtype = "float32",
    as_json: Json = False,
) -> None:
    """Show what is installed, which devices are available, and which units in the store are stale or damaged.

    Example: cpbench doctor

    With --backbone or --suite, it shows what memory methods need on a GPU instead, by phase, and how many hours they
    take. Nothing is trained for that: cpbench doctor --backbone sd15 --suite mine.yaml --methods lora,dsc
    """
    if backbone is not None or suite is not None:
        _fit(backbone, suite or "toybox-6", methods, dtype, as_json=as_json)
    else:
        _checks(quick=quick, as_json=as_json)


def _fit(backbone: str | None, suite: str, methods: str, dtype: str, *, as_json: bool) -> None:
    """Print what memory and time methods take."""
    from rich.text import Text

    from ..plain_json import json_text
    from ..run.quiet import quiet_libraries
    from ..streams import say
    from ..terminal import Sheet, Terminal
    from ..verbs.fit import CARDS, WAYS, fit, phase_names
    from ..wording import duration

    console = Terminal()
    with console.status(Text("counting the memory of the model")), quiet_libraries():
        found = fit(backbone, suite, methods, dtype=dtype)
    if as_json:
        say(json_text([{"method": f.method, "seconds": f.seconds, "bytes": dict(f.phases)} for f in found], indent=1))
        return
    names = phase_names(found)
    phases = Sheet("GiB by phase", *names, "most", "hours")
    for one in found:
        for k, way in enumerate(WAYS):
            cells = [f"{one.phases[name][k] / 2**30:.1f}" if name in one.phases else "" for name in names]
            hours = ("not known" if one.seconds is None else duration(one.seconds)) if k == 0 else ""
            phases.add_row(one.method if k == 0 else f"  {way}", *cells, f"{one.peak(k) / 2**30:.1f}", hours)
    cards = Sheet("fits a card of", *(f"{card} GB" for card in CARDS))
    for one in found:
        ways = [one.way(card) for card in CARDS]
        cards.add_row(one.method, *("yes" if way == WAYS[0] else way or "no" for way in ways))
    console.print(phases, cards)
    console.print(Text(_NOTE.format(dtype=dtype)))


_NOTE = (
    "Counted on tensors without content, with {dtype}; 0.8 GB of each card are left to the driver. On a GPU, cpbench "
    "takes these ways by itself where memory is short. Hours are those of stored units of the same suite and model; to "
    "measure some, run one method with 'cpbench run --lengths 1'."
)


def _checks(*, quick: bool, as_json: bool) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress

    from ..errors import FailedRun
    from ..plain_json import json_text
    from ..run.quiet import quiet_libraries
    from ..storage.inventory import take_inventory
    from ..storage.store import home
    from ..streams import say
    from ..terminal import Sheet, Terminal, mark, words
    from ..verbs.doctor import checks, store_checks

    console = Terminal()
    columns = (words("comparing checksums"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, console=console, transient=True)
    if quick:
        rows = checks(quick=True)
    else:
        with quiet_libraries():
            rows = checks()
    if all(row.good for row in rows if row.what == "store"):
        with bar:
            seen = bar.add_task("", total=len(take_inventory(home() / "units").units), visible=not quick)
            rows += store_checks(lambda: bar.advance(seen), quick=quick)
    if as_json:
        say(json_text([vars(row) for row in rows], indent=1))
    else:
        table = Sheet(show_header=False)
        for row in rows:
            table.add_row(mark(row.good), row.what, row.found)
        console.print(table)
    if not all(row.good for row in rows):
        raise FailedRun("some checks failed; see the lines marked 'no'.")
