"""Dataclasses and arguments of functions that are checked by what their annotations declare.

What declares no range may be any finite number.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict, field, fields
from functools import cache
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from .numbers import ANYTHING, Allowed, anything

T = TypeVar("T")


class Declared(NamedTuple):
    """The kind of an option or argument, and what it may be."""

    kind: type
    allowed: Allowed


def declared(source: Any) -> Mapping[str, Declared]:
    """What the annotations of a dataclass or function declare, by field or argument; only of the plain kinds.

    Raises NameError or TypeError where the annotations cannot be read, as in a package with broken ones.
    """
    return _read(source)


@cache
def _read(source: Any) -> Mapping[str, Declared]:
    hints = get_type_hints(source, include_extras=True)
    found = {name: _declared(hint) for name, hint in hints.items() if name != "return"}
    return {name: one for name, one in found.items() if one is not None}


def _declared(hint: Any) -> Declared | None:
    """What one annotation declares, also beside None."""
    parts = [part for part in get_args(hint) if part is not type(None)]
    if get_origin(hint) is Annotated:
        kind = next((k for k in ANYTHING if k is parts[0] or k in get_args(parts[0])), None)
        limits = [part for part in parts[1:] if isinstance(part, Allowed)]
        return Declared(kind, limits[0] if limits else anything(kind)) if kind else None
    if type(None) in get_args(hint) and len(parts) == 1:
        return _declared(parts[0])
    return Declared(hint, anything(hint)) if hint in ANYTHING.keys() else None


class Ranged:
    """A frozen dataclass whose fields are checked when it is made; raises BadInput for the first that is not allowed.

    None is allowed where it is the default. Numbers of NumPy become plain ones, so that they can be recorded.
    """

    def __post_init__(self) -> None:
        for name, (kind, allowed) in declared(type(self)).items():
            if (given := getattr(self, name)) is not None or getattr(type(self), name, ...) is not None:
                object.__setattr__(self, name, allowed.check(f"{type(self).__name__}.{name}", given, kind))


def added(default: T) -> T:
    """The default of an option that came after records were made: where it has it, the option is in no key."""
    found: T = field(default=default, metadata={"added": True})
    return found


def without_added(options: Any) -> dict[str, Any]:
    """The fields of a dataclass as a dict, but for those of :func:`added` that have their defaults."""
    left_out = {f.name for f in fields(options) if f.metadata.get("added") and getattr(options, f.name) == f.default}
    return {name: value for name, value in asdict(options).items() if name not in left_out}


def in_range(function: Callable[..., Any], **given: Any) -> tuple[Any, ...]:
    """Arguments of a function as plain numbers, in the order given, after a check of what its annotations declare.

    Raises BadInput, with the argument as an option of the command line; None is allowed where it is the default. A
    function calls this first, by its own name: a decorator would be one more file that every request passes.
    """
    kinds, known = declared(function), inspect.signature(function).parameters
    return tuple(
        value
        if value is None and known[name].default is None
        else kinds[name].allowed.check(f"--{name.replace('_', '-')}", value, kinds[name].kind)
        for name, value in given.items()
    )
