"""The page of a run: its scores, what was logged during training, what it cost, and how to re-run it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...benchmark.plain_json import json_text
from ...benchmark.records.result import Result
from ...benchmark.wording import counted, duration
from ..analysis.board import headline
from ..analysis.changes import layer_changes
from ..analysis.entry import Entry
from ..analysis.pairs import SHARES
from ..analysis.units import kind
from ..tables.columns import size
from ..tables.measurements import PROTOCOLS
from ..tables.notes import absent
from .balance import balance_table
from .cells import BoardPage, HeatMap, HeatRow, change_map, heat_map, shaded
from .charts import learning
from .pairs import pair_table
from .rerun import command, remarks
from .svg import Axis, Series, axis, lines

_STAMPED = {"device": "processor", "made_on": "units made on"}
"""Titles of parts of the stamp whose own name means something else on the page."""
_EIGEN = {"fisher": "L_denoise", "fisher_dc": "L_denoise + L_DC"}


def charts(result: Result) -> Iterator[dict[str, str]]:
    """Terms of the loss, change of the weights, and eigenvalues of the Fisher information, by task."""
    tasks = [float(c.task) for c in result.cost]
    if not tasks:
        return
    x = Axis("task", 0.7, len(tasks) + 0.3, whole=True)
    figures = [c.figures for c in result.cost]
    terms = sorted({name for f in figures for name in f if name.startswith("loss.")})
    losses = [_series(name.removeprefix("loss."), figures, name, tasks, k) for k, name in enumerate(terms)]
    if losses:
        y = axis("mean over the last 10 % of updates", [v for s in losses for v in s.y], zero=True)
        yield {"title": "Terms of the loss", "svg": lines("Terms of the loss by task", losses, x, y)}
    layers = sorted({name for f in figures for name in f if name.startswith("change.")})
    if layers:
        yield _changes(figures, layers, tasks, x)
    if any("fisher.1" in f for f in figures):
        yield _eigenvalues(figures, tasks, x)


def _series(title: str, figures: list[dict[str, float]], name: str, tasks: list[float], style: int) -> Series:
    return Series(title, tasks, [f.get(name, float("nan")) for f in figures], style, dashed=style >= 7)


def _changes(figures: list[dict[str, float]], layers: list[str], tasks: list[float], x: Axis) -> dict[str, str]:
    """Mean |ΔW| over all layers, and that of the least and the most changed layer."""
    total = _series("mean of all layers", figures, "change", tasks, 0)
    each = [_series("", figures, name, tasks, 1) for name in layers]
    ranked = sorted(each, key=lambda s: (np.nan_to_num(s.y).mean(), s.name))  # a task without a change has none logged
    shown = [total, Series("least changed layer", tasks, ranked[0].y, 2, dashed=True)]
    shown.append(Series("most changed layer", tasks, ranked[-1].y, 1, dashed=True))
    y = axis("mean |ΔW| learned in the task", [v for s in shown for v in s.y], zero=True)
    title = f"Change of the weights: mean and 2 extremes of {counted(len(layers), 'layer')}"
    return {"title": title, "svg": lines("Mean change by task", shown, x, y)}


def _eigenvalues(figures: list[dict[str, float]], tasks: list[float], x: Axis) -> dict[str, str]:
    shown = [
        _series(f"{k}. of {title}", figures, f"{kind}.{k}", tasks, style)
        for style, (kind, k, title) in enumerate((kind, k, title) for kind, title in _EIGEN.items() for k in (1, 2, 3))
    ]
    y = axis("eigenvalue", [v for s in shown for v in s.y], log=True)
    return {
        "title": "The 3 largest eigenvalues of the empirical Fisher information",
        "svg": lines("Eigenvalues by task", shown, x, y),
    }


def confusions(entry: Entry) -> Iterator[HeatMap]:
    """One map per task after which the model classified real pictures, over the concepts that it chose among."""
    for i, r in sorted(entry.confusion.items()):
        seen = [k for k in range(entry.tasks) if r[k, k] == r[k, k]]
        if len(seen) > 1:
            names = [entry.run.order[k] for k in seen]
            title = "before any task, by class noun" if i == 0 else f"after task {i}"
            rows = [_confused(entry.run.order[a], r[a], a, seen) for a in seen]
            yield HeatMap(f"{title} (%, chance {100 / (i or entry.tasks):.0f})", names, rows, corner="pictures of")


def _confused(name: str, row: NDArray[np.float64], own: int, seen: list[int]) -> HeatRow:
    return HeatRow(name, [shaded(float(row[b]), f"{100 * row[b]:.0f}", own=b == own) for b in seen])


def cost_table(entry: Entry) -> dict[str, Any]:
    """The cost of each task."""
    names = ["task", "training", "peak memory", "stored", "trainable", "per picture"]
    rows = [
        (
            f"{c.task}: {entry.run.order[c.task - 1]}",
            duration(c.train_seconds, measured=True),
            size(c.peak_memory_bytes),
            size(c.stored_bytes),
            f"{c.trainable_parameters:,}",
            duration(c.seconds_per_picture, measured=True),
        )
        for c in entry.cost
    ]
    return {"columns": names, "rows": rows}


def conditions_of(entry: Entry) -> list[tuple[str, str]]:
    """Everything that decides the numbers of a run, and the machine and software that made them."""
    run, stamp = entry.run, entry.environment
    facts = [("run", run.id), ("suite", f"{run.suite} version {run.suite_version}, {run.suite_hash}")]
    facts += [("backbone", f"{run.backbone}, weights {run.weights}"), ("profile", run.profile)]
    facts += [("protocol", f"{run.protocol}: {PROTOCOLS.get(run.protocol, 'unknown')}")]
    facts += [(f"extractor {name}", key) for name, key in sorted(run.extractors.items())]
    facts += [("device", f"{run.device}, {run.dtype}"), ("created", entry.created)]
    return facts + [(_STAMPED.get(key, key), _text_of(value)) for key, value in stamp.items()]


def _text_of(value: Any) -> str:
    """A value of a stamp; for a list of machines, the values in which they differ."""
    if isinstance(value, list):
        every = {k: None for machine in value for k in machine}
        differing = [k for k in every if len({machine.get(k) for machine in value if machine}) > 1] or [*every]
        return "; ".join(_text_of({k: machine[k] for k in differing if k in machine}) for machine in value)
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items()) or "not recorded"
    return "not recorded" if value is None else str(value)


def run_page(place: BoardPage, method: str, entry: Entry, result: Result) -> dict[str, Any]:
    """One run of a board's ``method``, as its template uses it; ``result`` is its whole record."""
    run, main, scales = entry.run, headline([entry]), place.scales
    return {
        "title": f"{run.method} on {run.suite}, seed {run.seed}",
        "method": method,
        "link": f"../methods/{place.slug}-{place.methods[method]}.html",
        "order": " → ".join(run.order),
        "learns": bool(entry.cost),
        "heats": [
            heat_map(m, r, run.order, scales[kind(m)], higher=entry.higher[m])
            for m, r in sorted(entry.cells.items())
            if m not in ("dc_accuracy", *SHARES) and (r == r).any()
        ],
        "charts": [*([learning([entry], main, scales[kind(main)])] if main in entry.cells else []), *charts(result)],
        "unmeasured": absent(entry.unmeasured),
        "balance": balance_table([entry]),
        "changes": change_map(layer_changes([entry]), run.order),
        "confusions": list(confusions(entry)),
        "pair_table": pair_table(entry.pairs),
        "cost": cost_table(entry),
        "command": command(entry),
        "remarks": remarks(entry),
        "facts": conditions_of(entry),
        "options": json_text(run.options, indent=1),
    }
