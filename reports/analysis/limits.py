"""Conditions on a comparison, such as "average < -2": what lets a script fail."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from ...benchmark.errors import BadInput, unknown
from ...benchmark.wording import shown
from .compare import Comparison
from .units import PERCENT
from .values import VALUES

_FORM = re.compile(r"\s*(\w+)\s*(<=|>=|<|>)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*(\(sure\))?\s*", re.IGNORECASE)
_TESTS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_OF_HEADLINE = ("average", "plasticity", "forgetting")
_THOUSANDTHS = ("mmd", "kid")


@dataclass(frozen=True)
class Limit:
    """A condition on one difference, in the unit of the table: %-points, distances × 10³, seconds, bytes.

    It is of the estimate; where ``sure``, of every value in the 95 % interval, so that it never holds without one.
    """

    text: str
    column: str
    sign: str
    value: float
    sure: bool

    @classmethod
    def of(cls, text: str) -> Limit:
        """A condition as it is written; raises BadInput for other texts and unknown columns."""
        match = _FORM.fullmatch(text)
        if match is None or not math.isfinite(float(match[3])):
            raise BadInput(
                f"--fail-if '{shown(text)}': write a column, one of < <= > >=, and a number, e.g. 'average < -2', or "
                "'average < -2 (sure)' for the whole interval."
            )
        column, sign, value, sure = match.groups()
        if column not in VALUES:
            raise unknown("column", column, VALUES)
        return cls(text.strip(), column, sign, float(value), bool(sure))

    def holds(self, comparison: Comparison) -> bool:
        """Whether the difference of a comparison meets the condition; raises BadInput if it was not measured."""
        found = comparison.of(self.column)
        if found is None:
            raise BadInput(f"--fail-if '{self.text}': {self.column} was not measured in these runs.")
        values: tuple[float, ...] = (found.difference.value,)
        if self.sure:
            values = found.difference.interval or (math.nan, math.nan)
        return all(_TESTS[self.sign](factor(self.column, comparison.headline) * v, self.value) for v in values)


def factor(column: str, main: str) -> float:
    """What values of a column are multiplied by in tables: percent, and distances in thousandths."""
    if column in _OF_HEADLINE and main in PERCENT:
        return 100.0
    return 1000.0 if column in _THOUSANDTHS else 1.0
