"""Arguments of the verbs, in every form that a caller may give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import BadInput
from ..suite.spec import Suite, load_suite

Names = str | Sequence[str]
"""Names separated by commas, or a list of them."""
Orders = int | str | Sequence[Sequence[str | int]]
"""How many task orders, ``all``, a text such as ``2,1/1,2``, or a list of orders by names or places."""
Settings = Mapping[str, Any]
"""Options of methods by ``section.option``."""


def joined(names: Names) -> str:
    """Names as one text, separated by commas."""
    return names if isinstance(names, str) else ",".join(names)


def suite_of(suite: str | Path | Suite) -> Suite:
    """The suite with a name, or of a YAML file; a suite is returned unchanged."""
    return suite if isinstance(suite, Suite) else load_suite(str(suite))


def orders_text(orders: Orders) -> str:
    """Task orders as the text that the command line takes."""
    if isinstance(orders, int | str):
        return str(orders)
    return "/".join(",".join(str(concept) for concept in order) for order in orders)


def lengths_text(lengths: int | str | Sequence[int] | None) -> str | None:
    """Sequence lengths as the text that the command line takes."""
    if lengths is None or isinstance(lengths, str):
        return lengths
    return str(lengths) if isinstance(lengths, int) else ",".join(map(str, lengths))


def settings_of(settings: Settings | None) -> dict[str, str]:
    """Options with their values as texts; raises BadInput for a key that is not ``section.option``."""
    for key in settings or {}:
        section, dot, option = key.partition(".")
        if not (section and dot and option):
            raise BadInput(f"--set {key}: write it as section.option=value, e.g. dsc.temperature=0.05.")
    return {key: str(value) for key, value in (settings or {}).items()}


def at_least_one(**numbers: int | None) -> None:
    """Raise BadInput for the first number below 1, under the name of its option."""
    for name, value in numbers.items():
        if value is not None and value < 1:
            raise BadInput(f"--{name} {value}: give at least 1.")
