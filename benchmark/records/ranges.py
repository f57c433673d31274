"""Which values a metric can have, and in which direction it is better, for the metrics that cpbench ships.

Records are checked without loading the metrics themselves, so they have this table; a test holds the two equal.
"""

from __future__ import annotations

import math
from typing import NamedTuple

_ROUNDING = 1e-6


class Range(NamedTuple):
    """The values that are possible, both ends included, and whether higher ones are better."""

    low: float
    high: float
    higher: bool

    def holds(self, value: float) -> bool:
        """Whether a value is possible, up to rounding."""
        slack = _ROUNDING * max(1.0, abs(self.low) if math.isfinite(self.low) else 1.0)
        return self.low - slack <= value <= self.high + slack

    def __str__(self) -> str:
        """The range in words."""
        ends = math.isfinite(self.low), math.isfinite(self.high)
        if all(ends):
            return f"{self.low:g} to {self.high:g}"
        return f"{self.low:g} or more" if ends[0] else "any finite number"


_INF = float("inf")
_SHARE, _LOW_SHARE, _COSINE = Range(0, 1, True), Range(0, 1, False), Range(-1, 1, True)
_UNBIASED = Range(-_INF, _INF, False)  # an unbiased squared distance can be negative
_LOG_ODDS = Range(-_INF, _INF, True)

RANGES = {
    "mmd": _UNBIASED,
    "kid": _UNBIASED,
    "drift_mmd": _UNBIASED,
    "drift_kid": _UNBIASED,
    "drift_fid": Range(-1e-3, _INF, False),  # the root of a covariance is rounded
    "image_align": _COSINE,
    "text_align": _COSINE,
    "multi_align": _COSINE,
    "identity": _SHARE,
    "multi_concept": _SHARE,
    "multi_twice": _LOW_SHARE,
    "multi_swapped": _LOW_SHARE,
    "multi_missing": _LOW_SHARE,
    "multi_nouns": _SHARE,
    "dc_accuracy": _SHARE,
    "dc_margin": _LOG_ODDS,
    "dc_accuracy_bare": _SHARE,
    "dc_margin_bare": _LOG_ODDS,
    "dc_confusion": _LOW_SHARE,
    "copying": _LOW_SHARE,
    "diversity": Range(0, 2, True),
    "lpips_diversity": Range(0, _INF, True),
}
"""The ranges of the built-in metrics in scale 1, by name."""

SCALES = {
    "toybox": (1.0, 1.0),
    "offline": (1.0, 1.0),
    "custom-diffusion": (1.0, 2.5),
    "dreambooth": (1.0, 1.0),
    "dreambench++": (100.0, 1.0),
    "torchmetrics": (100.0, 1.0),
}
"""By profile: the factor of all cosines, and another factor of ``text_align``."""
_LARGEST = (100.0, 2.5)  # of a profile that this version does not know

CEILED = ("identity", "multi_concept", "image_align", "mmd", "kid")
"""Metrics of which real pictures of the same subjects are a bound: whoever draws better than it was lucky, or wrong."""


def range_of(metric: str, profile: str) -> Range | None:
    """The range of a metric (its suffix ``@extractor`` is ignored) under a profile; None for one of a plug-in."""
    plain = metric.partition("@")[0]
    found = RANGES.get(plain)
    if found is not _COSINE:
        return found
    align, text = SCALES.get(profile, _LARGEST)
    scale = align * text if plain == "text_align" else align
    return Range(-scale, scale, True)
