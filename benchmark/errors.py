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
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, get_args

from pydantic_core import ErrorDetails, ValidationError

from .wording import counted, shown

if TYPE_CHECKING:
    from pydantic import BaseModel


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
    return BadInput(f"unknown {kind} '{shown(name)}': {_suggested(name, known)}")


def no_file(path: str, what: str) -> BadInput:
    """The error for a path that leads to nothing."""
    return BadInput(f"{shown(path, 300)}: there is no such {what}; correct the path.")


def _suggested(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name[:100], names, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"choose one of {', '.join(names)}."


def explain(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """The first problem that pydantic found, and how many more there are: the field, what is there, what is allowed.

    ``model``: the model that was read; then the nearest name of a field is suggested for an unknown one.
    """
    every = error.errors(include_url=False)  # a default that follows from a faulty field is no problem of its own
    problems = [problem for problem in every if problem["type"] != "default_factory_not_called"]
    more = f" ({counted(len(problems) - 1, 'more problem')}.)" if problems[1:] else ""
    return _sentence(problems[0], model) + more


def _sentence(problem: ErrorDetails, model: type[BaseModel] | None) -> str:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in problem["loc"]).lstrip(".")
    kind, given = problem["type"], shown(problem["input"], 60)
    if kind == "missing":
        return f"field '{where}' is missing; add it."
    if kind == "extra_forbidden":
        known = _fields(model, problem["loc"][:-1])
        return f"field '{where}' is unknown; {_suggested(str(problem['loc'][-1]), known) if known else 'remove it.'}"
    if kind == "value_error":
        what = problem["msg"].removeprefix("Value error, ")
    else:
        what = f"{given or 'empty'} is not allowed; give {_allowed(problem, model)}"
    return f"{where}: {what}." if where else f"{what}."


def _allowed(problem: ErrorDetails, model: type[BaseModel] | None) -> str:
    """What would be right in the place of a problem, in words."""
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "literal_error":
        return str(context["expected"])
    if kind == "string_type":
        number = isinstance(problem["input"], int | float)
        return f"text, e.g. in quotes: '{shown(problem['input'])}'" if number else "text"
    if kind in ("model_type", "dict_type", "mapping_type", "model_attributes_type"):
        return f"the fields {names}" if (names := ", ".join(_fields(model, problem["loc"]))) else "fields"
    if kind in ("list_type", "tuple_type"):
        return "a list"
    if kind == "too_short":
        return f"at least {counted(context['min_length'], 'entry', 'entries')}"
    if kind == "too_long":
        return f"at most {counted(context['max_length'], 'entry', 'entries')}"
    return problem["msg"][:1].lower() + problem["msg"][1:]


def _fields(model: type[BaseModel] | None, loc: Sequence[str | int]) -> list[str]:
    """The fields of the model at a place inside another one; none where it is not known."""
    for part in loc:
        if model is None:
            return []
        if isinstance(part, str):
            model = _model_in(model.model_fields[part].annotation) if part in model.model_fields else None
    return [name for name, field in model.model_fields.items() if not field.exclude] if model else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The first model in an annotation, e.g. in ``tuple[Concept, ...]``."""
    from pydantic import BaseModel

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
