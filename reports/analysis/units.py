"""How the numbers of each metric are written: unit, digits, and the better direction."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...benchmark.records.unmeasured import PAIR_SHARES

_SHARES = ("identity", "copying", "dc_accuracy", "dc_accuracy_bare", *PAIR_SHARES)
_LOG_ODDS = ("dc_margin", "dc_margin_bare")
_DISTANCES = ("mmd", "kid")


@dataclass(frozen=True)
class MetricUnit:
    """A factor, its name, and the digits after the point; None stands for three significant digits."""

    factor: float = 1.0
    name: str = ""
    digits: int | None = 3

    def show(self, value: float) -> str:
        """A value in this unit."""
        return three(self.factor * value) if self.digits is None else f"{self.factor * value:z.{self.digits}f}"


def kind(metric: str) -> str:
    """A metric without ``drift_`` and without its extractor (``@name``): metrics of one kind share a unit."""
    return metric.partition("@")[0].removeprefix("drift_")


def is_share(metric: str) -> bool:
    """Whether a metric is a share of pictures, from 0 to 1."""
    return kind(metric) in _SHARES


def unit_of(metric: str) -> MetricUnit:
    """The unit of a metric on all pages."""
    if is_share(metric):
        return MetricUnit(100.0, "%", 1)
    if kind(metric) in _LOG_ODDS:
        return MetricUnit(digits=2)
    return MetricUnit(1000.0, "×10³", None) if kind(metric) in _DISTANCES else MetricUnit()


def titled(metric: str, *, higher: bool) -> str:
    """A metric with its unit, and an arrow towards better values."""
    return " ".join(part for part in (metric, unit_of(metric).name, "↑" if higher else "↓") if part)


def three(value: float) -> str:
    """Three significant digits, with at most three after the point."""
    if value == 0 or math.isnan(value):
        return f"{value:g}"
    return f"{value:z.{min(3, max(0, 2 - math.floor(math.log10(abs(value)))))}f}"


def alike(value: float, text: str) -> str:
    """A number with as many digits after the point as ``text``."""
    return f"{value:.{len(text.partition('.')[2])}f}"


PERCENT = ("identity",)
"""Headline metrics that are shares of pictures, shown in percent."""


def label_of(metric: str, *, higher: bool = True) -> tuple[float, str]:
    """The factor that a metric is multiplied by, and the label of its axis with unit and direction."""
    better = "higher is better" if higher else "lower is better"
    return (100, f"{metric} (%, {better})") if metric in PERCENT else (1, f"{metric} ({better})")
