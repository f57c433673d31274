"""Comparisons of two methods, runs or folders as tables of a terminal, in sentences, and as plain values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group
from rich.text import Text

from ...benchmark.terminal import Sheet
from ...benchmark.wording import counted
from ..analysis.compare import Comparison, Measure
from ..analysis.limits import Limit
from ..analysis.resolution import POWER
from ..analysis.stats import LEAST
from .columns import Column, bracket, columns, difference_of
from .notes import designed, points

_OPTIONS = 5  # differing options that are listed; the others are counted


def comparison_table(found: Sequence[Comparison]) -> Group:
    """Each comparison as a table, with what follows from it in sentences below."""
    parts: list[Sheet | Text] = []
    for c in found:
        parts += [_table(c), *(Text(line) for line in sentences(c)), Text()]
    return Group(*parts[:-1])


def title(c: Comparison) -> str:
    """What is compared, and on which suite."""
    suite = f"{c.conditions['suite'].split(' (')[0]}, {counted(int(c.conditions['tasks']), 'task')}, {c.headline}"
    return f"{c.method}: {suite}" if c.method else f"{c.first} minus {c.second}: {suite}"


def sentences(c: Comparison) -> Iterator[str]:
    """How many pairs there are, which differences are significant, and how large a difference could be missed."""
    yield f"{counted(c.pairs, 'pair')} of runs of the same order and seed ({designed(c.design)}).{_rest(c)}"
    if lacking := [column.title.partition(" ")[0] for column in columns(c.headline) if c.of(column.key) is None]:
        yield f"Not measured in these pairs: {', '.join(lacking)}."
    if c.options:
        listed = "; ".join(f"{name} {one} and {two}" for name, one, two in c.options[:_OPTIONS])
        more = f"; {counted(len(c.options) - _OPTIONS, 'other')}" if len(c.options) > _OPTIONS else ""
        yield f"Different options: {listed}{more}."
    if c.equal:
        yield "All pairs have equal values, to the last bit; only times may differ."
        return
    if not c.design.freedom:
        yield f"Fewer than {LEAST} pairs: the differences have no interval, and none can be called significant."
        return
    yield _significant(c)
    if c.resolution > 0:
        limit = points(c.headline, c.resolution)
        yield f"A difference of average below {limit} could have been missed ({POWER * 100:.0f} % power)."


def _rest(c: Comparison) -> str:
    """Which runs have no partner."""
    parts = [f"{n} of {name}" for n, name in zip(c.unpaired, (c.first, c.second), strict=True) if n]
    return f" Runs without a partner, which are not compared: {' and '.join(parts)}." if parts else ""


def _significant(c: Comparison) -> str:
    """Which differences exclude zero, for scores and for costs together."""
    names = {column.key: column.title.partition(" ")[0] for column in columns(c.headline)}
    sure = [names[m.column] for m in c.measures if m.significant]
    if not sure:
        return "No difference is significant (95 % confidence)."
    return f"Significant (95 % confidence): {', '.join(sure)}."


def _table(c: Comparison) -> Sheet:
    table = Sheet(title=title(c))
    heads = "", c.first, c.second, "difference", "95 % interval", "pairs"
    for k, name in enumerate(heads):
        table.add_column(name, justify="right" if k else "left", overflow="fold", no_wrap=k > 2)
    every = {column.key: column for column in columns(c.headline)}
    for m in c.measures:
        column, of = every[m.column], difference_of(every[m.column])
        shown = column.show(m.first), column.show(m.second), of.show(m.difference.value)
        style = "bold" if m.significant else ""
        table.add_row(column.title, *shown, _interval(of, m), str(m.difference.n), style=style)
    return table


def _interval(column: Column, m: Measure) -> str:
    return "–" if m.difference.interval is None else bracket(column, m.difference.interval)


def as_json(c: Comparison) -> dict[str, Any]:
    """A comparison as plain values, unrounded and unscaled; None where there is no value."""
    return {
        "first": c.first,
        "second": c.second,
        "method": c.method or None,
        "conditions": dict(c.conditions),
        "headline": c.headline,
        "pairs": c.pairs,
        "unpaired": list(c.unpaired),
        "equal": c.equal,
        "resolution": c.resolution if math.isfinite(c.resolution) else None,
        "options": {name: [one, two] for name, one, two in c.options},
        "columns": {m.column: _numbers(m) for m in c.measures},
    }


def _numbers(m: Measure) -> dict[str, Any]:
    low, high = m.difference.interval or (None, None)
    values = {"first": m.first, "second": m.second, "difference": m.difference.value, "low": low, "high": high}
    return values | {"pairs": m.difference.n, "significant": m.significant}


def met(c: Comparison, limit: Limit) -> str | None:
    """A sentence where a comparison meets a condition; None where it does not."""
    if not limit.holds(c):
        return None
    column = next(column for column in columns(c.headline) if column.key == limit.column)
    found = c.of(limit.column)
    shown = difference_of(column).show(found.difference.value) if found else ""
    return f"{title(c)}: '{limit.text}' holds (difference {shown})."
