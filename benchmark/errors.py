"""The exceptions of cpbench, and the phrases of their messages.

A message states what was given, what is allowed, and what to do next.

CpbenchError
├── BadInput        an argument, a suite or a picture cannot be used      exit status 2
├── Damaged         a file does not match its checksum                    exit status 2
├── FailedRun       work was started and did not succeed                  exit status 1
│   └── Faulty      a method or a metric breaks its contract, or raises   exit status 1
├── Lost            a finished unit is missing or damaged                 exit status 1
├── Busy            another process is computing the unit                 exit status 1
├── Regression      results differ from the stored ones                   exit status 3
├── TimeOver        --max-hours have passed; re-run to continue           exit status 75
└── Interrupted     the user stopped the command                          exit status 130
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pydantic import ValidationError


class CpbenchError(Exception):
    """The base class of all errors that cpbench raises on purpose; ``status`` is the exit status of the command."""

    status = 1


class BadInput(CpbenchError):
    """An argument, a suite or a picture that cannot be used."""

    status = 2


class Damaged(CpbenchError):
    """A file whose content does not match its recorded checksum."""

    status = 2


class FailedRun(CpbenchError):
    """Work that was started and did not succeed."""


class Faulty(FailedRun):
    """A method or a metric that raised an error (then the cause of this one), or returned what is not allowed."""


class Lost(CpbenchError):
    """A finished unit that is missing from the store, or damaged. It is computed again."""


class Busy(CpbenchError):
    """A unit that another process is computing."""


class Regression(CpbenchError):
    """Results that differ from the stored ones by more than is allowed."""

    status = 3


class TimeOver(CpbenchError):
    """The time limit has passed. Finished work is kept."""

    status = 75  # EX_TEMPFAIL of sysexits.h: try again


class Interrupted(CpbenchError):
    """The user stopped the command. Finished work is kept."""

    status = 130


def unknown(kind: str, name: str, known: Iterable[str]) -> BadInput:
    """The error for a name that is not in ``known``: it suggests the nearest names, or lists all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"choose one of {', '.join(names)}."
    return BadInput(f"unknown {kind} '{name}': {hint}")


def explain(error: ValidationError) -> str:
    """The first problem that pydantic found, in one sentence."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    what = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"field '{where}' is missing; add it."
    if first["type"] == "extra_forbidden":
        return f"field '{where}' is unknown; remove it."
    return f"{where}: {what}." if where else f"{what}."
