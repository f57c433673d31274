"""The options of merging."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...benchmark.numbers import Choice, Count
from ...benchmark.ranged import Ranged

RULES = ("average", "greatest", "constrained", "orthogonal")


@dataclass(frozen=True)
class MergeOptions(Ranged):
    """``rule``: average, greatest (by magnitude), constrained (Custom Diffusion's) or orthogonal.

    The last averages LoRAs whose rows of A started orthogonal to those of all earlier ones (arXiv 2410.04891).
    ``captions``: how many words of the vocabulary, each in the training prompt, hold the rest of the model in place
    under the constrained rule.
    """

    rule: Annotated[str, Choice(RULES)] = "average"
    captions: Count = 200
