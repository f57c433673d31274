"""Charts of the headline metric: after each task where that was measured, else when learned and at the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...benchmark import continual
from ...benchmark.continual import Matrix
from ..chart import SHAPES, Axis, Level, Series, axis, lines
from ..entry import Entry
from ..plots import in_between, label_of, mean_matrix
from ..tidy import ceiling, floor
from .cells import Scale

Chart = dict[str, str]
"""A title, and the chart as SVG."""


def learning(runs: Sequence[Entry], metric: str, scale: Scale) -> Chart:
    """Means over runs; the axis is that of all methods of the board."""
    factor, label = label_of(metric)
    r = factor * mean_matrix(runs, metric)
    ends = [factor * f(e, metric) for f in (floor, ceiling) for e in runs]
    y = axis(label, [factor * scale.worst, factor * scale.best, *ends], zero=True)
    names = runs[0].order if len({e.order for e in runs}) == 1 else ()
    series, x = _after_each(r, names) if in_between(r) else _then_and_now(r)
    title = "After each task" if in_between(r) else "Learned, and kept"
    return {"title": title, "svg": lines(f"{metric} of each concept", series, x, y, levels(runs, metric, factor))}


def levels(runs: Sequence[Entry], metric: str, factor: float) -> list[Level]:
    """The base model and real pictures, where they were measured."""
    told = {"floor: base model": floor, "ceiling: real pictures": ceiling}
    means = {name: factor * float(np.mean([of(e, metric) for e in runs])) for name, of in told.items()}
    return [Level(f"{name}, {value:.3g}", value) for name, value in means.items() if not np.isnan(value)]


def _then_and_now(r: Matrix) -> tuple[list[Series], Axis]:
    tasks = [float(k) for k in range(1, r.shape[1] + 1)]
    own = Series("right after its task", tasks, continual.learned(r).tolist(), 0)
    kept = Series("after the last task", tasks, r[-1].tolist(), 1, dashed=True)
    return [own, kept], Axis("place of the concept in the order", 0.7, len(tasks) + 0.3, whole=True)


def _after_each(r: Matrix, names: Sequence[str]) -> tuple[list[Series], Axis]:
    """A line a concept, from the base model on."""
    after = [float(k) for k in range(len(r))]
    told = names or [f"concept {k}" for k in range(1, len(r))]
    series = [Series(name, after, r[:, k].tolist(), k, dashed=k >= SHAPES) for k, name in enumerate(told)]
    return series, Axis("after task (0: base model)", -0.3, len(r) - 0.7, whole=True)
