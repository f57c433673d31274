"""The table of named methods: an adapter, consolidations, what is fixed. A new pair is a row here, never a file.

It is data, and imports no torch: reports read it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PLAIN = {"tokens": "ti", "kv": "cd", "lora": "lora", "vera": "vera"}
"""The row of each adapter without consolidation, whose rates the others on it inherit."""


@dataclass(frozen=True)
class MethodRow:
    """One named method; ``adapter`` is empty for the base model. ``fixed`` replaces defaults, by section and field.

    ``bound`` marks an upper bound: it sees what the others may not, and so does not compete with them.
    """

    name: str
    adapter: str
    consolidations: tuple[str, ...]
    sentence: str
    paper: str
    fixed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    bound: bool = False


_DC = "https://arxiv.org/abs/2410.00700"
_DMC = "https://arxiv.org/abs/1903.07864"
_EWC = "https://arxiv.org/abs/1612.00796"
_CLORA = "https://arxiv.org/abs/2304.06027"
_VERA = "https://arxiv.org/abs/2310.11454"
_CD = "https://arxiv.org/abs/2212.04488"
_MERGE = "https://arxiv.org/abs/2410.04891"
_EXACT = {"merge": {"rule": "constrained"}}
_OLORA = "https://arxiv.org/abs/2310.14152"
_ZIP = "https://arxiv.org/abs/2311.13600"
_JOINT = {"replay": {"pictures": 0, "afresh": True}}
_SCORED = {"ewc": {"score_weight": 1.0}}
_NO_SCORES = {"dsc": {"score_weight": 0.0}}
_FAST = {"learner": {"rate": 1e-2}}
_TOKEN = {"learner": {"use_noun": False, "token_rate": 5e-3}}
_FAST_DSC = {"dsc": {"rate": 1e-2}}

CATALOGUE: dict[str, MethodRow] = {
    row.name: row
    for row in (
        MethodRow("base", "", (), "The pretrained model, prompted by the class noun: the floor.", ""),
        MethodRow(
            "ti",
            "tokens",
            (),
            "Textual Inversion: learns one token a concept.",
            "https://arxiv.org/abs/2208.01618",
            {"learner": {"token_rate": 2e-2}},
        ),
        MethodRow(
            "cd", "kv", (), "Custom Diffusion, one concept after another: all keys and values of cross-attention.", _CD
        ),
        MethodRow(
            "cd-merge", "kv", ("merge",), "Custom Diffusion, merged in closed form after each task.", _CD, _EXACT
        ),
        MethodRow(
            "lora",
            "lora",
            (),
            "One LoRA trained on task after task: the lower bound.",
            "https://arxiv.org/abs/2106.09685",
        ),
        MethodRow(
            "clora",
            "lora",
            ("clora",),
            "C-LoRA: a penalty on changing again what earlier tasks have changed.",
            _CLORA,
            _TOKEN,
        ),
        MethodRow("ewc", "lora", ("ewc",), "EWC: a spring on the weights that earlier tasks needed.", _EWC),
        MethodRow(
            "ewc-dc", "lora", ("ewc",), "EWC whose Fisher information knows the classifier scores.", _DC, _SCORED
        ),
        MethodRow(
            "dsc",
            "lora",
            ("dsc",),
            "DSC: distils diffusion-classifier scores of earlier adapters into the current one.",
            _DC,
        ),
        MethodRow("dsc-ewc", "lora", ("dsc", "ewc"), "DSC with EWC while training and distilling.", _DC),
        MethodRow("dsc-ewc-dc", "lora", ("dsc", "ewc"), "DSC with EWC-DC while training and distilling.", _DC, _SCORED),
        MethodRow(
            "vera", "vera", (), "One VeRA trained on task after task: vectors over frozen projections.", _VERA, _FAST
        ),
        MethodRow("vera-clora", "vera", ("clora",), "C-LoRA's penalty over VeRA.", _CLORA, _TOKEN),
        MethodRow("vera-ewc", "vera", ("ewc",), "EWC over VeRA.", _EWC),
        MethodRow("vera-ewc-dc", "vera", ("ewc",), "EWC-DC over VeRA.", _DC, _SCORED),
        MethodRow("vera-dsc", "vera", ("dsc",), "DSC over VeRA.", _DC, _FAST_DSC),
        MethodRow(
            "vera-dsc-ewc-dc", "vera", ("dsc", "ewc"), "DSC with EWC-DC over VeRA.", _DC, {**_FAST_DSC, **_SCORED}
        ),
        MethodRow(
            "lwf", "lora", ("dsc",), "Noise distillation from earlier adapters: DSC without scores.", _DMC, _NO_SCORES
        ),
        MethodRow("lora-merge", "lora", ("merge",), "One LoRA a concept from the base model, averaged.", _MERGE),
        MethodRow("olora", "lora", ("olora",), "O-LoRA: later tasks learn in orthogonal directions.", _OLORA),
        MethodRow("ziplora", "lora", ("ziplora",), "One LoRA a concept, merged with learned coefficients.", _ZIP),
        MethodRow("replay", "lora", ("replay",), "Keeps two pictures of each concept: an upper bound.", "", bound=True),
        MethodRow(
            "joint",
            "lora",
            ("replay",),
            "Trains on all pictures so far, from the base model, n times the updates at task n: an upper bound.",
            "",
            _JOINT,
            bound=True,
        ),
        MethodRow(
            "independent",
            "lora",
            ("independent",),
            "One LoRA a concept, chosen by an oracle: an upper bound.",
            "",
            bound=True,
        ),
    )
}

UPPER_BOUNDS = frozenset(row.name for row in CATALOGUE.values() if row.bound)
