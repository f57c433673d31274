"""Numbers with a declared range: in suites, in options of methods, and in arguments of verbs.

``Annotated[int, Range(1, 100)]`` is checked where pydantic reads it, and in the dataclasses and functions of
:mod:`.ranged`; anything else calls ``Range(1, 100).check(...)``.
"""

from __future__ import annotations

import math
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from .errors import BadInput
from .wording import shown

_LARGEST = sys.float_info.max


class Allowed(ABC):
    """The values that an option or argument may have; its ``str`` is them in words."""

    @abstractmethod
    def accepted(self, value: Any, kind: type) -> Any:
        """The value as this kind; raises ValueError where it is not allowed."""

    @abstractmethod
    def read(self, text: str, kind: type) -> Any:
        """The value that a text stands for; raises ValueError where there is none, or it is not allowed."""

    def wanted(self, kind: type) -> str:
        """What to give, with its article."""
        return str(self)

    def checked(self, value: Any, kind: type) -> Any:
        """The value as this kind; raises ValueError, as one clause, where it is not allowed."""
        try:
            return self.accepted(value, kind)
        except ValueError:
            raise ValueError(f"{_given(value)} is not allowed; give {self.wanted(kind)}") from None

    def check(self, name: str, value: Any, kind: type = int) -> Any:
        """The value as this kind; raises BadInput that begins with ``name``, e.g. the option, where it is not."""
        try:
            return self.accepted(value, kind)
        except ValueError:
            raise BadInput(f"{name} {_given(value)}: give {self.wanted(kind)}.") from None

    def parse(self, name: str, text: str, kind: type) -> Any:
        """What :meth:`read` returns; raises BadInput that begins with ``name=text`` where that is not allowed."""
        try:
            return self.read(text, kind)
        except ValueError:
            raise BadInput(f"{name}={shown(text)}: give {self.wanted(kind)}.") from None


@dataclass(frozen=True)
class Range(Allowed):
    """The numbers from ``low`` to ``high``, both included; ``above`` excludes ``low``. NaN is in no range.

    Infinity is not allowed either, even where ``high`` is, unless the range is ``endless``.
    """

    low: float
    high: float
    above: bool = False
    endless: bool = False

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high and not (self.above and value == self.low)

    def __str__(self) -> str:
        """The range in words: ``from 1 to 100``, ``above 0, up to 1``, ``1 or more``; empty for all numbers."""
        low, high = _plain(self.low), _plain(self.high)
        if math.isinf(self.high):
            return "" if math.isinf(self.low) else f"above {low}" if self.above else f"{low} or more"
        return f"above {low}, up to {high}" if self.above else f"from {low} to {high}"

    def wanted(self, kind: type) -> str:
        """The range as the end of a sentence: ``a whole number from 1 to 100``, ``a finite number``."""
        what = "a whole number" if kind is int else "a number" if str(self) else "a finite number"
        return f"{what} {self}".rstrip()

    def accepted(self, value: Any, kind: type) -> Any:
        """The value as an int or float, whatever kind of number it is; zero has no sign."""
        number = _plain_number(value)
        if number not in self:
            raise ValueError(value)
        if abs(number) > _LARGEST and not (self.endless and kind is float):
            raise ValueError(value)
        if kind is int and number != int(number):
            raise ValueError(value)
        return kind(number) + kind()

    def read(self, text: str, kind: type) -> Any:
        """The number that a text stands for: ``3``, ``0.05``, ``1e-3``, and for an int ``2.0`` and ``1e3`` too."""
        try:
            number: float = int(text)
        except ValueError:
            number = float(text)
        return self.accepted(number, kind)

    def __get_pydantic_core_schema__(self, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(lambda value: self.checked(value, source), handler(source))


@dataclass(frozen=True)
class Choice(Allowed):
    """One of some words."""

    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{', '.join(self.words[:-1])} or {self.words[-1]}"

    def accepted(self, value: Any, kind: type) -> Any:
        """The word itself."""
        if not isinstance(value, str) or value not in self.words:
            raise ValueError(value)
        return value

    def read(self, text: str, kind: type) -> Any:
        """The word, without spaces around it."""
        return self.accepted(text.strip(), kind)


@dataclass(frozen=True)
class Text(Allowed):
    """Printable text of at most ``most`` characters; it may be empty."""

    most: int = 80

    def __str__(self) -> str:
        return f"printable text of at most {self.most} characters"

    def accepted(self, value: Any, kind: type) -> Any:
        """The text itself."""
        if not isinstance(value, str) or len(value) > self.most or not value.isprintable():
            raise ValueError(value)
        return value

    def read(self, text: str, kind: type) -> Any:
        """The text itself."""
        return self.accepted(text, kind)


class Switch(Allowed):
    """True or false."""

    def __str__(self) -> str:
        return "true or false"

    def accepted(self, value: Any, kind: type) -> Any:
        """A bool, or NumPy's."""
        if type(value).__name__ not in ("bool", "bool_"):
            raise ValueError(value)
        return bool(value)

    def read(self, text: str, kind: type) -> Any:
        """``true`` or ``false``, in any case."""
        try:
            return {"true": True, "false": False}[text.strip().lower()]
        except KeyError:
            raise ValueError(text) from None


ANY = Range(-math.inf, math.inf)
ANYTHING: Mapping[type, Allowed] = {bool: Switch(), int: ANY, float: ANY, str: Text(1000)}


def anything(kind: type) -> Allowed:
    """What a value of a plain kind may be where nothing is declared: any finite number, or text of one line."""
    return ANYTHING[kind]


def _plain_number(value: Any) -> float:
    """An int or float of any kind of number, also of NumPy and of a Fraction; NaN of what is none."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return math.nan
    try:
        return int(value) if isinstance(value, Integral) else float(value)
    except OverflowError:
        return math.inf


def _plain(number: float) -> str:
    if isinstance(number, int):
        return f"{number:,}"
    digits, e, exponent = f"{number:g}".partition("e")
    return f"{digits}e{int(exponent)}" if e else digits


def _given(value: Any) -> str:
    return f"'{shown(value)}'" if isinstance(value, str) else shown(value)


Count = Annotated[int, Range(1, 1_000_000)]
"""How many: 1 to a million."""
JOBS = Range(1, 4096)
"""Processes on one machine."""
THREADS = Range(1, max(64, 4 * (os.cpu_count() or 1)))
"""Threads that a machine can start; the limit still admits those of larger machines."""
