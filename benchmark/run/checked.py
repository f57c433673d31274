"""Units whose methods are checked at every call, and the tracebacks of those that failed."""

from __future__ import annotations

import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..checks.contract import CheckedFactory
from ..errors import Faulty
from ..owners import Owner, owner_of, raised_at, summary
from ..plan.choices import Choice, Refitted
from ..plan.units import Classify, Draw, Train, Unit


def checked(unit: Unit, size: int) -> Unit:
    """The unit with its method, if it has one that learns, checked at every call; ``size``: side of its pictures."""
    if not isinstance(unit, Train | Draw | Classify) or unit.method is None or unit.method.make is None:
        return unit
    choice: Choice = unit.method
    make = CheckedFactory(unit.method.make, owner_of(choice.name, choice.options), size)
    return replace(unit, method=Refitted(choice, make))


def told(error: Exception, title: str, file: Path) -> str:
    """An error of a unit in one sentence, with the place where it was raised; the whole traceback is in ``file``."""
    text = str(error) if isinstance(error, Faulty) else f"{summary(error)}, raised at {raised_at(error, Owner('', ''))}"
    sentence = f"{title}: {text}"
    with suppress(OSError):  # the error itself matters more
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{sentence}.\n\n{''.join(traceback.format_exception(error))}")
        return f"{sentence}; the traceback is in {file}."
    return f"{sentence}."
