"""The page of a method on one board."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...benchmark.plain_json import json_text
from ...benchmark.records import continual
from ...benchmark.wording import duration
from ..analysis.board import About, Board, Methods, first_run
from ..analysis.changes import layer_changes
from ..analysis.entry import Entry, mean_matrix
from ..analysis.stats import estimate
from ..analysis.summaries import SUMMARIES, Summary
from ..analysis.units import label_of, titled, unit_of
from ..tables.columns import Column, columns, size
from ..tables.terms import PARTS
from .balance import balance_table
from .cells import BoardPage, change_map, heat_map, number, plain, values
from .charts import Chart, learning
from .rerun import command
from .scatter import Strip, strips
from .svg import Axis, Series, axis, lines

_FEW = 12
"""Task orders that are drawn one by one. Of more, only the best and the worst are drawn, half as many of each."""
_BETTER = {"forgetting": "↓", "intransigence": "↓", "backward": "↑", "forward": "↑"}
"""Directions of summaries, by the first word of their names. Other summaries have the direction of their metric."""


def method_page(place: BoardPage, name: str, found: Sequence[Summary], methods: Methods) -> dict[str, Any]:
    """One method on one board, as its template uses it."""
    board, main = place.board, place.board.headline
    runs = board.runs[name]
    about = methods.get(name.split(" (")[0])
    first = min(runs, key=first_run)
    order = runs[0].run.order
    same = all(r.run.order == order for r in runs)
    names = list(order) if same else [f"task {k}" for k in range(1, len(order) + 1)]
    return {
        "board": place,
        "method": {
            "name": name,
            "slug": place.methods[name],
            "sentence": _sentence(about, runs[0]),
            "paper": about.paper if about else "",
            "parts": _parts(about, learns=bool(runs[0].cost)),
            "facts": [("Suite", place.title), ("Runs", f"{len(runs)} (task orders × seeds)")],
            "bound": about is not None and about.bound,
            "options": json_text(runs[0].run.options, indent=1),
        },
        "headline": main,
        "heat": heat_map(main, mean_matrix(runs, main), names, place.scale(main)),
        "balance": balance_table(runs),
        "changes": change_map(layer_changes(runs), names),
        "charts": list(_charts(place, runs)),
        "numbers": _numbers(found, {m: h for e in runs for m, h in e.higher.items()}),
        "runs": _runs(board, runs),
        "command": command(first) if first.cost else "",
    }


def _sentence(about: About | None, entry: Entry) -> str:
    """What a method does; of one that is not installed, where it came from."""
    if about is not None:
        return about.sentence or "Its package gives no description."
    package = entry.run.options.get("package")
    origin = f"Its runs were made with the package {package}. " if package else ""
    return (
        f"Not in this installation, or its package cannot be loaded: '{entry.run.method}'. {origin}Install the package "
        "that provides it and re-run 'cpbench report' to see what it does and its parts."
    )


def _parts(about: About | None, *, learns: bool) -> list[tuple[str, str, str]]:
    """Role, name and meaning of each part; names without a meaning in the glossary are explained by their package."""
    if about is None:
        return [("Parts", "", "unknown, since the method is not in this installation")]
    if not about.adapter and not about.consolidations:
        return [("Parts", "", "not described by its package" if learns else "none: this method trains nothing")]
    found = [("Adapter", about.adapter)] if about.adapter else []
    found += [("Consolidation", name) for name in about.consolidations]
    return [(role, name, PARTS[name].text if name in PARTS else "") for role, name in found]


def _charts(place: BoardPage, runs: Sequence[Entry]) -> Iterator[Chart]:
    main = place.board.headline
    if main in place.scales:  # else it was measured nowhere
        yield learning(runs, main, place.scales[main])
    if len({e.order for e in runs if not np.isnan(continual.average(e.matrix(main)))}) > 1:
        yield _orders(runs, main)
    if any(e.cost for e in runs):
        yield growth(runs)


def _orders(runs: Sequence[Entry], main: str) -> Chart:
    """One row per order, the best first: one point per seed, and their mean."""
    factor, label = label_of(main)
    each: dict[tuple[str, ...], list[float]] = {}
    for e in runs:
        if not np.isnan(value := continual.average(e.matrix(main))):
            each.setdefault(e.order, []).append(factor * value)
    ranked = sorted(each.items(), key=lambda item: (-float(np.mean(item[1])), item[0]))
    shown = ranked if len(ranked) <= _FEW else [*ranked[: _FEW // 2], *ranked[-_FEW // 2 :]]
    rows = [Strip(" → ".join(order), seen) for order, seen in shown]
    x = axis(f"average {label}", [v for row in rows for v in row.values])
    title = "Average by task order (diamond: mean over seeds)"
    if left := len(ranked) - len(shown):
        title += f". The {_FEW // 2} best and {_FEW // 2} worst of {len(ranked)} orders; {left} not shown"
    return {"title": title, "svg": strips("Average by task order", rows, x)}


def growth(runs: Sequence[Entry]) -> Chart:
    """How the training time and the storage of a task grow with its number."""
    costed = [e for e in runs if e.cost]
    tasks = [float(c.task) for c in costed[0].cost]
    seconds = np.mean([[c.train_seconds for c in e.cost] for e in costed], axis=0)
    stored = np.mean([[c.stored_bytes for c in e.cost] for e in costed], axis=0)
    own = [Series("training time", tasks, _times(seconds), 0), Series("bytes stored", tasks, _times(stored), 1)]
    y = axis("times the first task (lower is better)", [v for s in own for v in s.y], zero=True)
    first = f"first task: {duration(float(seconds[0]), measured=True)}, {size(float(stored[0]))}"
    return {
        "title": f"Growth of cost ({first})",
        "svg": lines("Cost of a task by its number", own, Axis("task", 0.7, len(tasks) + 0.3, whole=True), y),
    }


def _times(values: NDArray[np.float64]) -> list[float]:
    """Each value as a multiple of the first; NaN where that is zero."""
    found: list[float] = (values / values[0]).tolist() if values[0] else [float("nan")] * len(values)
    return found


def _numbers(found: Sequence[Summary], higher: Mapping[str, bool]) -> dict[str, Any]:
    """All summaries of all metrics; each metric has its own unit."""
    present = {s.name for s in found}
    names = [*(name for name in SUMMARIES if name in present), *sorted(present - SUMMARIES.keys())]
    by = {(s.metric, s.name): s.estimate for s in found}
    rows = [
        {
            "name": titled(metric, higher=higher[metric]),
            "cells": [number(by.get((metric, name)), unit_of(metric).show) for name in names],
        }
        for metric in sorted({s.metric for s in found})
    ]
    return {"columns": [_column(name) for name in names], "rows": rows}


def _column(name: str) -> str:
    arrow = _BETTER.get(name.split("_")[0], "")
    return f"{name.replace('_', ' ')} {arrow}".strip()


def _runs(board: Board, runs: Sequence[Entry]) -> dict[str, Any]:
    own = values(board)
    shown: dict[str, Column] = {c.key: c for c in columns(board.headline)}
    rows = [
        {
            "id": e.key,
            "order": " → ".join(e.run.order),
            "seed": e.run.seed,
            "cells": [plain(v := value(e), shown[k].show(v)) for k, value in own.items()],
        }
        for e in sorted(runs, key=lambda e: (e.order, e.run.seed))
    ]
    return {"columns": [shown[k].title for k in own], "rows": rows}


def means(place: BoardPage, name: str) -> list[tuple[str, str]]:
    """The numbers by which methods are compared, of one method, as titles and texts."""
    shown = {c.key: c for c in columns(place.board.headline)}
    runs = place.board.runs[name]
    found = {key: estimate([of(e) for e in runs], [e.order for e in runs]) for key, of in values(place.board).items()}
    cells = {key: number(e, shown[key].show) for key, e in found.items()}
    return [(shown[key].title, f"{cell.text} {cell.interval}".strip()) for key, cell in cells.items()]
