"""What a metric may return: checked where its values cross into the benchmark."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..owners import OWN, Owner, calling, refused, top_level
from ..wording import counted


def metric_owner(name: str, point: EntryPoint | None) -> Owner:
    """The owner of a metric; ``point``: where another package publishes it."""
    if point is None:
        return Owner("metric", name)
    dist = getattr(point, "dist", None)
    return Owner("metric", name, f"{dist.name} {dist.version}" if dist else point.value, top_level(point.value))


def wrong_metric(metric: Any, name: str) -> str | None:
    """What is wrong with a published metric of the right type; None if nothing is."""
    if metric.name != name:
        return f"has the name '{metric.name}'; give it the name of its entry point"
    if not callable(metric.of):
        return f"has {metric.of!r} as its function; give it a function of a cell and a profile"
    if not isinstance(metric.higher_is_better, bool):
        return f"has higher_is_better = {metric.higher_is_better!r}; choose True or False"
    if not isinstance(metric.sentence, str):
        return f"has {metric.sentence!r} as its sentence; give it a text"
    if not isinstance(metric.least, int) or metric.least < 1:
        return f"has least = {metric.least!r}; give it a number of pictures, at least 1"
    return None


def measured(owner: Owner, metric: Any, cell: Any, profile: Any) -> NDArray[np.float64] | None:
    """The value of a metric for a cell: a finite one per picture, (n,), or one for the cell, (); None: no value.

    Raises Faulty if it returns anything else, or raises an error.
    """
    with calling(owner, ""):
        found = metric.value(cell, profile)
    n = len(cell.drawn)
    if found is not None and (fault := wrong_values(found, n)):
        asked = f"return {n} finite numbers for {n} pictures, one for the whole cell, or None"
        hint = "; check the pictures and the extractor that it is computed from" if owner.module == OWN else ""
        raise refused(owner, "", metric.of, fault, asked + hint)
    return None if found is None else np.asarray(found, dtype=np.float64)


def wrong_values(found: Any, n: int) -> str | None:
    """Values are real finite numbers: one, or one for each of ``n`` pictures."""
    try:
        array = np.asarray(found)
    except (ValueError, TypeError, RuntimeError):  # ragged lists, and tensors that have a gradient or are on a GPU
        return f"returned {type(found).__name__} that is no array of numbers"
    if array.dtype.kind not in "fiub":
        return f"returned {type(found).__name__ if array.dtype.kind == 'O' else array.dtype}"
    if array.shape not in ((), (n,)):
        return f"returned {array.dtype} of shape {array.shape}"
    if np.isfinite(array).all():
        return None
    kind, bad = ("NaN", np.isnan(array)) if np.isnan(array).any() else ("infinite", np.isinf(array))
    return f"is {kind} for {bad.sum()} of {counted(n, 'picture')}" if array.ndim else f"is {kind}"
