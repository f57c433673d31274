"""Which metrics of its profile a run does not have, and what they would need.

A metric has no row in a record where there was nothing to measure it on. Records are read without loading the metrics
themselves, so the metrics of each profile are listed here too; a test holds the two lists equal.
"""

from __future__ import annotations

from collections.abc import Collection

_DISTANCES = ("mmd", "kid", "drift_mmd", "drift_kid")
_ALIGN = ("image_align", "text_align")
CLASSIFIED = ("dc_accuracy", "dc_margin", "dc_accuracy_bare", "dc_margin_bare")
"""Metrics of real pictures that a model classifies among the concepts learned so far."""
OUTCOMES = ("multi_concept", "multi_twice", "multi_swapped", "multi_missing")
"""Shares of pictures of pairs by what they show, by one decision; what is left of 1 has no name of its own."""
PAIR_SHARES = (*OUTCOMES, "multi_nouns")
"""Shares of pictures of pairs."""

METRICS_OF = {
    "toybox": (
        *_DISTANCES,
        *_ALIGN,
        "identity",
        "diversity",
        "copying",
        *PAIR_SHARES,
        "multi_align",
        *CLASSIFIED,
    ),
    "offline": (*_DISTANCES, "image_align", "diversity", "copying"),
    "custom-diffusion": (*_DISTANCES, *_ALIGN, "image_align@dino-s16", "multi_align", "diversity", "copying"),
    "dreambooth": (*_ALIGN, "image_align@clip-b32", "lpips_diversity"),
    "dreambench++": (*_ALIGN, "image_align@clip-b32"),
    "torchmetrics": (*_ALIGN, "drift_fid@inception", "lpips_diversity"),
}
"""The metrics of a profile, by its name."""

_PER_CELL, _PER_PROMPT = "2 pictures per cell", "2 pictures per prompt"
_DRIFT = "a later task or prompts of the prior, and 2 pictures per cell"
_TWO, _LEARNS = "2 concepts", "a method that learns"
_OLDER = "what dc_accuracy takes; records of earlier versions lack it"
NEEDS = {
    "mmd": _PER_CELL,
    "kid": _PER_CELL,
    "drift_mmd": _DRIFT,
    "drift_kid": _DRIFT,
    "drift_fid": _DRIFT,
    "image_align": "real pictures",
    "text_align": "prompts and an aligner",
    "identity": "look-alikes of toybox concepts",
    "diversity": _PER_PROMPT,
    "lpips_diversity": _PER_PROMPT,
    "copying": "training pictures",
    **dict.fromkeys(OUTCOMES, "prompts of pairs, and look-alikes of 2 toybox concepts"),
    "multi_nouns": "prompts of pairs, and 2 toybox concepts",
    "multi_align": "prompts of pairs, and 2 concepts",
    "dc_accuracy": "real pictures that were not trained on, and a method that gives its noise error",
    "dc_margin": f"{_TWO}, and {_OLDER}",
    "dc_accuracy_bare": f"{_LEARNS}, and {_OLDER}",
    "dc_margin_bare": f"{_LEARNS}, {_TWO}, and {_OLDER}",
}
"""What a metric is measured on, in words."""


def unmeasured(profile: str, measured: Collection[str]) -> dict[str, list[str]]:
    """The metrics of a profile that are not among the measured ones, by what they need; none for a foreign profile."""
    found: dict[str, list[str]] = {}
    for metric in METRICS_OF.get(profile, ()):
        if metric not in measured:
            found.setdefault(NEEDS[metric.partition("@")[0]], []).append(metric)
    return found
