"""``cpbench check``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..paths import FILE, FOLDER
from .options import Device, Jobs, Quiet, number_or_word

if TYPE_CHECKING:
    from ..checks.regression import Verdict
    from ..fingerprints.stored import Compared
    from ..run.progress import View
    from ..terminal import Terminal

_SHOWN = 5  # differences per run; the others are only counted


_Methods = Annotated[str, typer.Option(help="Names separated by commas, or 'all' stored ones.")]
_Suite = Annotated[str, typer.Option(help="Suite of the stored runs: its name or YAML file.")]
_Against = Annotated[
    Path | None, FOLDER, typer.Option(help="Folder of the stored records. Default: those that cpbench ships.")
]
_Results = Annotated[
    list[Path] | None,
    FOLDER,
    typer.Option(help="Compare the records in this folder; re-run nothing. Repeatable: the first counts."),
]
_Seeds = Annotated[int, typer.Option(help="How many of the stored seeds to re-run.")]
_Fast = Annotated[bool, typer.Option("--fast", help="Compare fingerprints only; re-run nothing.")]
_Fingerprints = Annotated[
    Path | None,
    FOLDER,
    typer.Option(help="Folder of the fingerprints of other methods. Default: those that cpbench ships."),
]
_UpdateFingerprints = Annotated[
    str | None, typer.Option(help="Replace stored fingerprints that differ, for this reason; re-run nothing.")
]
_Junit = Annotated[Path | None, FILE, typer.Option(help="Also write the outcome to this file, as JUnit XML.")]
_Markdown = Annotated[Path | None, FILE, typer.Option(help="Also write a summary to this file, in Markdown.")]
_Update = Annotated[
    str | None,
    typer.Option(help="Replace stored records that differ with the new ones, for this reason, e.g. 'a new sampler'."),
]


def check(
    methods: _Methods = "all",
    suite: _Suite = "toybox-2",
    against: _Against = None,
    results: _Results = None,
    seeds: _Seeds = 1,
    device: Device = "auto",
    jobs: Jobs = "auto",
    fast: _Fast = False,
    fingerprints: _Fingerprints = None,
    update_fingerprints: _UpdateFingerprints = None,
    junit: _Junit = None,
    markdown: _Markdown = None,
    update: _Update = None,
    quiet: Quiet = False,
) -> None:
    """Compare fingerprints, then re-run stored runs, and show what changed; exit with status 3 if anything did.

    A fingerprint is a short computation in float64, which gives the same numbers on every machine. With --against,
    --results or --update, only runs are compared.

    Example: cpbench check --methods lora,dsc --junit check.xml
    """
    from ..checks.verdicts import fingerprint_sentence, sentence, to_junit, to_markdown
    from ..errors import Regression
    from ..run.jobs import NumberOfJobs
    from ..run.progress import watching
    from ..storage.baseline import baseline
    from ..terminal import Terminal
    from ..verbs.arguments import SEEDS
    from ..verbs.check import check as verb
    from ..wording import one_line
    from .console import interruptible

    number = NumberOfJobs().check("--jobs", number_or_word(jobs))
    SEEDS.check("--seeds", seeds)
    _check_files(junit, markdown)
    console, alone = Terminal(), fast or update_fingerprints is not None
    found, verdicts = list["Compared"](), list["Verdict"]()
    with interruptible(), watching(console, quiet=quiet) as view:
        if alone or not (against or results or update):
            found = _fingerprints(methods, fingerprints, number, update_fingerprints, alone, view)
        if not alone and not any(f.differences for f in found):
            runs: dict[str, Any] = {"against": against, "results": results, "seeds": seeds, "update": update}
            verdicts = verb(methods, suite, device=device, jobs=number, on_event=view, **runs)
    _print_fingerprints(console, found)
    _print(console, verdicts)
    for path, text in ((junit, to_junit), (markdown, to_markdown)):
        if path is not None:
            path.write_text(text(verdicts, found), encoding="utf-8")
    if update_fingerprints is not None or update is not None:
        what = f"Records in {against or baseline()}" if update else "Fingerprints"
        reason = one_line(f"({update or update_fingerprints})")
        console.print(f"{what} replaced: {_changed(found, verdicts)} {reason}.", soft_wrap=True)
    elif any(f.differences for f in found):
        raise Regression(f"{fingerprint_sentence(found)} If this is intended, give --update-fingerprints and a reason.")
    elif _changed(found, verdicts):
        raise Regression(f"{sentence(verdicts)} If this is intended, give the reason with --update.")


def _check_files(*files: Path | None) -> None:
    """Raise BadInput for a file in a folder that cannot be written."""
    from ..storage.store import writable

    for file in filter(None, files):
        writable(file.parent)


def _changed(found: Sequence[Compared], verdicts: Sequence[Verdict]) -> int:
    """How many fingerprints and runs changed."""
    return sum(bool(f.differences) for f in found) + sum(bool(v.differences) for v in verdicts)


def _fingerprints(
    methods: str, folder: Path | None, jobs: int | str, reason: str | None, alone: bool, view: View
) -> list[Compared]:
    """Compare fingerprints; before whole runs, a method of another package need not have one."""
    from ..verbs import fingerprints as verb

    names: str | list[str] = methods if alone or methods == "all" else verb.fingerprinted(methods, folder)
    return verb.fingerprints(names, folder=folder, jobs=jobs, update=reason, on_event=view)


def _print_fingerprints(console: Terminal, found: Sequence[Compared]) -> None:
    """Print the first difference of each fingerprint that has any."""
    from ..checks.verdicts import fingerprint_sentence, first_row
    from ..terminal import Sheet, Terminal

    if not found:
        return
    rows = [(f, row) for f in found if (row := first_row(f)) is not None]
    if rows:
        shown = Sheet("fingerprint", "first difference", "stored", "now", "relative", "differ")
        for f, row in rows:
            shown.add_row(*row, f"{len(f.differences)} of {f.quantities}")
        Terminal(width=200).print(shown)  # a file does not wrap
    console.print(fingerprint_sentence(found))


def _print(console: Terminal, verdicts: Sequence[Verdict]) -> None:
    """Print a row per run, then the first few changes of each run."""
    from ..checks.verdicts import allowed, how, missed, name_of, sentence
    from ..terminal import Sheet, mark
    from ..wording import counted

    if not verdicts:
        return
    rows = Sheet("run", "compared", "how", "changes it misses", "changed")
    for v in verdicts:
        number = mark(not v.differences, str(len(v.differences)))
        rows.add_row(name_of(v), str(v.compared), how(v), missed(v) or "none", number)
    console.print(rows)
    if any(v.differences for v in verdicts):
        changed = Sheet("run", "what", "stored", "now", "allowed")
        for m in (m for v in verdicts for m in v.differences[:_SHOWN]):
            changed.add_row(m.run, m.what, m.stored, m.now, allowed(m))
        console.print(changed)
        if hidden := sum(max(0, len(v.differences) - _SHOWN) for v in verdicts):
            console.print(f"{counted(hidden, 'more change')} not shown; --junit lists all of them.")
    console.print(sentence(verdicts))
