"""``cpbench validate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Json

if TYPE_CHECKING:
    from ..verbs.validate import Finding


def validate(
    paths: Annotated[
        list[Path], typer.Argument(help="Records, or folders with <suite>/<method>/<run id>.json, e.g. results.")
    ],
    as_json: Json = False,
) -> None:
    """Examine records: print one line per fault, then notes on unlikely scores; exit with status 2 for a fault.

    Files with a fault are those that every other command passes over.

    Example: cpbench validate results
    """
    from ..plain_json import json_text
    from ..streams import say
    from ..verbs.validate import validate as verb
    from ..wording import counted, one_line
    from .console import interruptible

    with interruptible():
        found = verb(*paths)
    if as_json:
        content = {"sound": found.sound, "faults": _plain(found.faults), "notes": _plain(found.notes)}
        say(json_text(content, indent=1))
    else:
        for fault in found.faults:
            say(one_line(f"{fault.file}: {fault.sentence}"))
        for note in found.notes:
            say(one_line(f"{note.file}: note: {note.sentence}"))
        sound, faulty = counted(found.sound, "sound record"), counted(found.faulty, "faulty file")
        faults, notes = counted(len(found.faults), "fault"), counted(len(found.notes), "note")
        say(f"{sound}, {faulty} ({faults}), {notes}.")
    if found.faults:
        raise typer.Exit(2)


def _plain(findings: list[Finding]) -> list[dict[str, Any]]:
    return [{"file": str(finding.file), "sentence": finding.sentence} for finding in findings]
