"""The errors of cpbench. Each message says what was given, what is allowed, and what to do.

CpbenchError
├── BadInput        the user gave something that cannot work        exit status 2
├── Damaged         a file is not what its checksum says             exit status 2
├── FailedRun       work was tried and did not succeed               exit status 1
├── Lost            a unit was there, and is gone or damaged         exit status 1
├── Busy            a unit is under way in another process           exit status 1
├── Regression      results moved                                    exit status 3
├── TimeOver        --max-hours are over; the same command goes on   exit status 75
└── Interrupted     the user stopped it                              exit status 130
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pydantic import ValidationError


class CpbenchError(Exception):
    """Any error that cpbench explains in one sentence."""

    status = 1


class BadInput(CpbenchError):
    """An argument, a spec or a picture that cannot be used."""

    status = 2


class Damaged(CpbenchError):
    """A file whose content differs from its recorded checksum."""

    status = 2


class FailedRun(CpbenchError):
    """A run that was tried and failed."""


class Lost(CpbenchError):
    """A finished unit that is gone, or whose files are damaged: it is done again."""


class Busy(CpbenchError):
    """A unit that another process is doing."""


class Regression(CpbenchError):
    """Results differ from the stored ones by more than is allowed."""

    status = 3


class TimeOver(CpbenchError):
    """The time that was given is over: what is finished is kept."""

    status = 75  # EX_TEMPFAIL of sysexits.h: try again


class Interrupted(CpbenchError):
    """Stopped by the user: what is finished is kept."""

    status = 130


def unknown(kind: str, name: str, known: Iterable[str]) -> BadInput:
    """Say that ``name`` is no known ``kind``, with the nearest names first."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}."
    return BadInput(f"unknown {kind} '{name}': {hint}")


def explain(error: ValidationError) -> str:
    """Say the first validation error in one sentence."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    what = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"field '{where}' is missing."
    if first["type"] == "extra_forbidden":
        return f"field '{where}' is unknown; remove it."
    return f"{where}: {what}." if where else f"{what}."
