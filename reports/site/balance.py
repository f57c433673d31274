"""The balance of the terms of a loss as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..analysis.balance import Balance, balances
from ..analysis.entry import Entry
from .cells import TableCell, plain


def balance_table(runs: Sequence[Entry]) -> dict[str, Any] | None:
    """One row per phase and term, means over tasks and runs; None where no phase that trains logged several terms."""
    found = balances(runs)
    if not any(b.trains for b in found):
        return None
    columns = ["ratio r", "r at the first update", "r at the last update", "cosine"]
    return {"columns": columns, "rows": [_row(b) for b in found]}


def _row(b: Balance) -> dict[str, Any]:
    with np.errstate(divide="ignore"):
        ratios = [_cell(float(np.exp(_mean(np.log(row))))) for row in (b.ratio, b.first, b.last)]
    return {"name": f"{b.phase}: {b.term} against {b.main}", "cells": [*ratios, _cell(_mean(b.cosine), "z.2f")]}


def _mean(values: NDArray[np.float64]) -> float:
    seen = values[np.isfinite(values)]
    return float(seen.mean()) if seen.size else float("nan")


def _cell(value: float, digits: str = ".2g") -> TableCell:
    return plain(value, f"{value:{digits}}")
