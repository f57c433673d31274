"""How large a difference planned runs will show, estimated from the records of the same suite."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...methods.plugins import described
from ...reports.analysis.board import by_method, headline
from ...reports.analysis.comparability import by_conditions
from ...reports.analysis.entry import Entry, entry_of, uncollected
from ...reports.analysis.limits import factor
from ...reports.analysis.resolution import MOST_SEEDS, Design, Noise, noise
from ...reports.analysis.values import average
from ...reports.tables.columns import SAME
from ...reports.tables.notes import CERTAINTY, designed, points
from ..errors import BadInput
from ..plan.grid import Grid
from ..records.reading import read_records, unheard
from ..records.result import Result
from ..run.events import Noted, OnEvent
from ..run.session import Session
from ..storage.baseline import baseline
from ..wording import counted


@dataclass(frozen=True)
class _Known:
    """What records of one length show: their headline metric and the spread of differences."""

    main: str
    noise: Noise


def check_wanted(wanted: float | None, *, dry_run: bool) -> None:
    """Raise BadInput for a resolution that is asked for without a dry run."""
    if wanted is not None and not dry_run:
        raise BadInput(f"--resolution {wanted:g} computes nothing; use it with --dry-run.")


def foresee(session: Session, grid: Grid, out: Path, wanted: float | None, on_event: OnEvent) -> None:
    """Report what :func:`foreseen` estimates, if a resolution is wanted: reading all records takes a while."""
    for sentence in foreseen(session, grid, out, wanted) if wanted is not None else ():
        on_event(Noted(sentence))


def foreseen(session: Session, grid: Grid, out: Path, wanted: float) -> Iterator[str]:
    """Sentences on what the runs of a grid will separate, and how many runs it takes to separate ``wanted`` %-points.

    They are estimates from records below ``out`` and from those that cpbench ships.
    """
    known = _known(session, out)
    orders, name = Counter(map(len, grid.prefixes)), session.suite.name
    for length, count in orders.items():
        of = f" of {counted(length, 'task')}" if len(orders) > 1 or length < len(session.suite.concepts) else ""
        if length not in known:
            yield f"Resolution{of}: not known; no records of two methods on {name}{of} show how much runs vary."
            continue
        yield _planned(known[length], Design.planned(count, len(grid.seeds)), of)
        yield _needed(known[length], count, wanted, of)
        yield _basis(known[length].noise, name)


def _known(session: Session, out: Path) -> dict[int, _Known]:
    """By number of tasks, from the conditions with the most runs."""
    found: dict[int, _Known] = {}
    for own in sorted(_groups(session, out), key=len):
        main = headline(own)
        bounds = {n for n, m in described({e.run.method for e in own}).items() if m.bound} | {"base"}
        rivals = {name: runs for name, runs in by_method(own).items() if runs[0].run.method not in bounds}
        if (spread := noise(rivals, average(main))) is not None and spread.total > SAME:
            found[own[0].tasks] = _Known(main, spread)
    return found


def _groups(session: Session, out: Path) -> list[list[Entry]]:
    """Finished runs on the session's suite, model and profile, by their conditions."""
    suite, weights = session.suite, session.facts.weights
    wanted = suite.hash, weights, suite.evaluation.profile

    def alike(result: Result) -> bool:
        run = result.run
        return result.status == "ok" and (run.suite_hash, run.weights, run.profile) == wanted

    with uncollected():
        records = (result for _, result in read_records(out, baseline(), on_fault=unheard))
        return list(by_conditions(map(entry_of, filter(alike, records))).values())


def _planned(known: _Known, design: Design, of: str) -> str:
    limit = known.noise.resolution(design)
    if math.isinf(limit):
        return f"Resolution{of}: {designed(design)} are too few runs to separate methods; at least 3 are needed."
    return (
        f"Resolution{of}: {designed(design)} separate methods whose averages differ by more than "
        f"{points(known.main, limit)} ({CERTAINTY})."
    )


def _needed(known: _Known, orders: int, wanted: float, of: str) -> str:
    value = wanted / factor("average", known.main)
    seeds, limit = known.noise.seeds_for(orders, value), points(known.main, value)
    if seeds is None:
        return f"To separate {limit}{of}, {counted(MOST_SEEDS, 'seed')} per order are not enough."
    design = Design.planned(orders, seeds)
    return f"To separate {limit}{of}, each method needs {counted(design.runs, 'run')}: {designed(design)}."


def _basis(known: Noise, suite: str) -> str:
    return (
        f"This is an estimate from the records of {known.methods} methods on {suite}, "
        f"{counted(known.design.runs, 'run')} each ({designed(known.design)})."
    )
