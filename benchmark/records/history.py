"""The history of the code: which digests gave equal fingerprints, so that their numbers may stand in one table.

``results/fingerprints/history.json`` has, by name, lines of digests; all code of a line gives the same numbers, and the
newest line is the last. ``cpbench check --update-fingerprints`` writes it. Names are those of methods and of
:data:`SHARED`. Records from before there were digests count by their commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import BadInput
from ..hashing import digest
from ..plain_json import json_text, parse_json, write_whole

HISTORY = "history.json"
SHARED = ("learning", "sampling", "scoring", "metrics", "suites")
"""What all methods have in common: how they are taught, how they draw, how pictures are scored, and real pictures."""
Lines = Sequence[Sequence[str]]
History = Mapping[str, Lines]


def shipped_fingerprints() -> Path:
    """The folder of the fingerprints and of the history that cpbench ships."""
    return Path(__file__).parents[2] / "results" / "fingerprints"


def digests_of(method: str, code: Mapping[str, str], commit: str | None) -> dict[str, str]:
    """Digests by the names of the history, from those of a record; of an older record without any, its commit."""
    if not code:
        return dict.fromkeys((method, *SHARED), f"commit {commit}")
    return {
        method: code.get("method", ""),
        "learning": digest([code["train"], code["classify"]]),
        "sampling": code["draw"],
        "scoring": code["measure"],
        "metrics": code["measure"],
        "suites": code["real"],
    }


def line_of(name: str, code: str, history: History) -> str:
    """What code with equal numbers has in common: the number of its line, or the digest itself if it is in none."""
    return next((f"line {k}" for k, line in enumerate(history.get(name, ()), 1) if code in line), code)


def read_history(folder: Path) -> dict[str, list[list[str]]]:
    """The history in a folder of fingerprints, empty if there is none; raises BadInput."""
    file = folder / HISTORY
    if not file.is_file():
        return {}
    try:
        found: dict[str, list[list[str]]] = parse_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{file} is not a history of fingerprints ({error}); restore the file.") from None
    return found


def write_history(folder: Path, history: History) -> None:
    """Write the history, one line of it per line, sorted by name."""
    blocks = []
    for name, lines in sorted(history.items()):
        inside = ",\n".join(f"  {json_text(list(line))}" for line in lines)
        blocks.append(f"{json_text(name)}: [\n{inside}\n]")
    write_whole(folder / HISTORY, "{\n" + ",\n".join(blocks) + "\n}\n")


def extended(lines: Lines, code: str, *, changed: bool) -> list[list[str]]:
    """A history with one more digest: on a line of its own where numbers have changed, else on the newest."""
    kept = [list(line) for line in lines]
    if changed or not kept:
        return [*kept, [code]]
    if code not in kept[-1]:
        kept[-1].append(code)
    return kept
