"""Numbers with a declared range: in suites, in options of methods, and in arguments of verbs.

``Annotated[int, Range(1, 100)]`` is checked where pydantic reads it, and ``Range(1, 100).check(...)`` anywhere else.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from .errors import BadInput
from .wording import shown

_LARGEST = sys.float_info.max


@dataclass(frozen=True)
class Range:
    """The numbers from ``low`` to ``high``, both included; ``above`` excludes ``low``. NaN is in no range."""

    low: float
    high: float
    above: bool = False

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high and not (self.above and value == self.low)

    def __str__(self) -> str:
        """The range in words: ``from 1 to 100``, ``above 0, up to 1``, ``1 or more``."""
        low, high = _plain(self.low), _plain(self.high)
        if math.isinf(self.high):
            return f"above {low}" if self.above else f"{low} or more"
        return f"above {low}, up to {high}" if self.above else f"from {low} to {high}"

    def checked(self, value: Any, kind: type) -> Any:
        """The value; raises ValueError where it is not a number of this kind and in this range."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or value not in self or abs(value) > _LARGEST or (kind is int and value != int(value)):
            raise ValueError(f"{shown(value)} is not allowed; give a {'whole ' * (kind is int)}number {self}")
        return kind(value)

    def check(self, name: str, value: Any, kind: type = int) -> Any:
        """The value; raises BadInput that begins with ``name``, e.g. the option, where it is not allowed."""
        try:
            return self.checked(value, kind)
        except ValueError as error:
            raise BadInput(f"{name}: {error}.") from None

    def __get_pydantic_core_schema__(self, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(lambda value: self.checked(value, source), handler(source))


def _plain(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


Count = Annotated[int, Range(1, 1_000_000)]
"""How many: 1 to a million."""
