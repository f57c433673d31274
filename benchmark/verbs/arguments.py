"""Arguments of the verbs, in every form that a caller may give."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Annotated, Any

from ..errors import BadInput
from ..numbers import THREADS, Range
from ..records.folders import Folders
from ..run.jobs import NumberOfJobs
from ..storage.baseline import baseline, is_baseline
from ..suite.spec import Suite, load_suite
from ..wording import shown

Names = str | Sequence[str]
"""Names separated by commas, or a list of them."""
Orders = int | str | Sequence[Sequence[str | int]]
"""How many task orders, ``all``, a text such as ``2,1/1,2``, or a list of orders by names or places."""
Settings = Mapping[str, Any]
"""Options of methods by ``section.option``."""
Where = str | Path | Sequence[str | Path] | None
"""Folders of records, where :data:`SHIPPED` is the one of cpbench; None: :data:`RUNS`, if it has records, and this one.
"""
SHIPPED = "shipped"
RUNS = Path("runs")
"""Where own runs are recorded by default, below the current folder."""
SEEDS = Range(1, 1_000_000)
Seeds = Annotated[int, SEEDS]
Jobs = Annotated[int | str, NumberOfJobs()]
"""Processes on this machine, or ``auto``."""
Threads = Annotated[int, THREADS]
PerOption = Annotated[int, Range(1, 1000)]
"""Trials per option that is tuned."""
Suites = str | Path | Suite | Sequence[str | Path | Suite]
"""Names separated by commas, the path of a YAML file, a suite, or a list of these."""
Length = Annotated[int, Range(1, 10_000)]
TaskNumber = Annotated[int, Range(0, 10_000)]
"""How many tasks were learned."""
Strengths = str | Sequence[float]
"""Numbers separated by commas, or a list of them."""
Hours = Annotated[float, Range(0, math.inf, above=True, endless=True)]
Points = Annotated[float, Range(0, 1000, above=True)]
"""A difference in %-points."""


def folders_of(results: Where) -> Folders:
    """The folders of records that are asked for; raises BadInput where one of several has no records."""
    given = [_folder(name) for name in ([results] if isinstance(results, str | Path) else results or ())]
    if not given:
        return Folders((RUNS,) if _has_records(RUNS) else (), baseline())
    for folder in given if len(given) > 1 else ():
        if not _has_records(folder):
            raise BadInput(f"{folder} holds no records; make some with 'cpbench run --methods dsc,clora'.")
    shipped = next((folder for folder in given if is_baseline(folder)), None)
    return Folders(tuple(folder for folder in given if not is_baseline(folder)), shipped)


def _folder(name: str | Path) -> Path:
    return baseline() if str(name) == SHIPPED and not Path(name).exists() else Path(name)


def _has_records(folder: Path) -> bool:
    return next(folder.glob("*/*/*.json"), None) is not None


def joined(names: Names) -> str:
    """Names as one text, separated by commas."""
    return names if isinstance(names, str) else ",".join(names)


def suite_of(suite: str | Path | Suite) -> Suite:
    """The suite with a name, or of a YAML file; a suite is returned unchanged."""
    return suite if isinstance(suite, Suite) else load_suite(str(suite))


def suites_of(suites: Suites) -> list[Suite]:
    """Several suites; raises BadInput where there is none, or two have the same name."""
    words = [word.strip() for word in suites.split(",") if word.strip()] if isinstance(suites, str) else suites
    found = [suite_of(one) for one in ([words] if isinstance(words, Path | Suite) else words)]
    names = [suite.name for suite in found]
    if not found:
        raise BadInput("--suites: name at least one suite, e.g. toybox-tune.")
    if twice := [name for name in names if names.count(name) > 1]:
        raise BadInput(f"--suites: {twice[0]} is given twice; give it once.")
    return found


def strengths_of(strengths: Strengths) -> tuple[float, ...]:
    """Strengths as numbers, in ascending order; raises BadInput for what is none."""
    words = [word.strip() for word in strengths.split(",")] if isinstance(strengths, str) else list(strengths)
    allowed = Range(0, 10, above=True)
    found = {
        allowed.parse("--strengths", word, float)
        if isinstance(word, str)
        else allowed.check("--strengths", word, float)
        for word in words
        if word != ""
    }
    return tuple(sorted(found))


def orders_text(orders: Orders) -> str:
    """Task orders as the text that the command line takes."""
    if isinstance(orders, Integral | str):
        return str(orders)
    if isinstance(orders, Sequence) and all(isinstance(order, Sequence) for order in orders):
        return "/".join(",".join(str(concept) for concept in order) for order in orders)
    raise BadInput(f"--orders {shown(orders)}: give a number, a text, or a list of orders, each a list of concepts.")


def lengths_text(lengths: int | str | Sequence[int] | None) -> str | None:
    """Sequence lengths as the text that the command line takes."""
    if lengths is None or isinstance(lengths, str):
        return lengths
    if isinstance(lengths, Integral):
        return str(lengths)
    if not isinstance(lengths, Iterable):
        raise BadInput(f"--lengths {shown(lengths)}: give a number, a text such as 2,4, or a list of numbers.")
    return ",".join(map(str, lengths))


def settings_of(settings: Settings | None) -> dict[str, str]:
    """Options with their values as texts; raises BadInput for a key that is not ``section.option``."""
    for key in settings or {}:
        section, dot, option = key.partition(".")
        if not (section and dot and option):
            raise BadInput(f"--set {key}: write it as section.option=value, e.g. dsc.temperature=0.05.")
    return {key: str(value) for key, value in (settings or {}).items()}
