"""The table of named methods: an adapter, consolidations, fixed options. A new pair is a row here, never a file.

It is data and imports no torch, so that lists and reports can read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PLAIN = {"tokens": "ti", "kv": "cd", "lora": "lora", "vera": "vera"}
"""The row of each adapter without consolidation; the other rows with this adapter inherit its learning rates."""


@dataclass(frozen=True)
class MethodRow:
    """One named method; ``adapter`` is empty for the base model. ``fixed`` replaces defaults, by section and field.

    ``bound`` marks an upper bound: it sees what the others may not, and does not compete with them.
    """

    name: str
    adapter: str
    consolidations: tuple[str, ...]
    sentence: str
    paper: str
    fixed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    bound: bool = False


_TI = "https://arxiv.org/abs/2208.01618"
_LORA = "https://arxiv.org/abs/2106.09685"
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
        MethodRow("base", "", (), "The pretrained model, prompted with the class noun: the floor.", ""),
        MethodRow(
            "ti",
            "tokens",
            (),
            "Textual Inversion: learns one new token per concept and no weights of the network.",
            _TI,
            {"learner": {"token_rate": 2e-2}},
        ),
        MethodRow(
            "cd",
            "kv",
            (),
            "Custom Diffusion, one concept after another: trains all keys and values of cross-attention.",
            _CD,
        ),
        MethodRow(
            "cd-merge",
            "kv",
            ("merge",),
            "Custom Diffusion of each concept from the base model, merged in closed form after each task.",
            _CD,
            _EXACT,
        ),
        MethodRow(
            "lora", "lora", (), "Trains one LoRA (low-rank adaptation) on task after task: the lower bound.", _LORA
        ),
        MethodRow(
            "clora",
            "lora",
            ("clora",),
            "C-LoRA (continual LoRA): adds a penalty on changing weights that earlier tasks have changed.",
            _CLORA,
            _TOKEN,
        ),
        MethodRow(
            "ewc",
            "lora",
            ("ewc",),
            "EWC (elastic weight consolidation): a quadratic penalty holds weights important to earlier tasks.",
            _EWC,
        ),
        MethodRow(
            "ewc-dc",
            "lora",
            ("ewc",),
            "EWC that includes diffusion-classifier (DC) scores in the importance of weights.",
            _DC,
            _SCORED,
        ),
        MethodRow(
            "dsc",
            "lora",
            ("dsc",),
            "DSC (diffusion scores consolidation): distils the DC scores of earlier adapters into the present one.",
            _DC,
        ),
        MethodRow("dsc-ewc", "lora", ("dsc", "ewc"), "DSC with the penalty of EWC while training and distilling.", _DC),
        MethodRow(
            "dsc-ewc-dc",
            "lora",
            ("dsc", "ewc"),
            "DSC with the penalty of EWC-DC while training and distilling.",
            _DC,
            _SCORED,
        ),
        MethodRow(
            "vera",
            "vera",
            (),
            "VeRA (vector-based random matrix adaptation): vectors scale frozen random projections, task after task.",
            _VERA,
            _FAST,
        ),
        MethodRow("vera-clora", "vera", ("clora",), "VeRA with the penalty of C-LoRA.", _CLORA, _TOKEN),
        MethodRow("vera-ewc", "vera", ("ewc",), "VeRA with the penalty of EWC.", _EWC),
        MethodRow("vera-ewc-dc", "vera", ("ewc",), "VeRA with the penalty of EWC-DC.", _DC, _SCORED),
        MethodRow("vera-dsc", "vera", ("dsc",), "VeRA with the distillation of DSC.", _DC, _FAST_DSC),
        MethodRow(
            "vera-dsc-ewc-dc",
            "vera",
            ("dsc", "ewc"),
            "VeRA with the distillation of DSC and the penalty of EWC-DC.",
            _DC,
            {**_FAST_DSC, **_SCORED},
        ),
        MethodRow(
            "lwf",
            "lora",
            ("dsc",),
            "LwF (learning without forgetting): distils the predicted noise of earlier adapters; DSC without scores.",
            _DMC,
            _NO_SCORES,
        ),
        MethodRow(
            "lora-merge",
            "lora",
            ("merge",),
            "Trains one LoRA per concept from the base model, and averages them.",
            _MERGE,
        ),
        MethodRow(
            "olora",
            "lora",
            ("olora",),
            "O-LoRA (orthogonal LoRA): adds a penalty on reading the input directions of earlier tasks.",
            _OLORA,
        ),
        MethodRow(
            "ziplora",
            "lora",
            ("ziplora",),
            "ZipLoRA: trains one LoRA per concept from the base model, and merges them with learned coefficients.",
            _ZIP,
        ),
        MethodRow(
            "replay",
            "lora",
            ("replay",),
            "Keeps two pictures of each concept and trains on them too: an upper bound.",
            "",
            bound=True,
        ),
        MethodRow(
            "joint",
            "lora",
            ("replay",),
            "Trains on all pictures so far, from the base model, with n times the updates at task n: an upper bound.",
            "",
            _JOINT,
            bound=True,
        ),
        MethodRow(
            "independent",
            "lora",
            ("independent",),
            "Trains one LoRA per concept from the base model; an oracle chooses which one draws: an upper bound.",
            "",
            bound=True,
        ),
    )
}

UPPER_BOUNDS = frozenset(row.name for row in CATALOGUE.values() if row.bound)

OPTIONS = {
    "learner.rate": "learning rate of the adapter",
    "learner.token_rate": "learning rate of the new token",
    "learner.cooldown": "last share of the updates, over which learning rates fall linearly to zero; 0: never",
    "learner.use_noun": "whether prompts name a concept <token> noun, and the token starts as the noun; else <token>",
    "lora.rank": "rank r of the low-rank change",
    "lora.alpha": "scale α of the low-rank change, which is multiplied by α/r",
    "vera.rank": "rank r of the frozen random projections",
    "vera.projection": "seed of the frozen random projections",
    "vera.first": "first value of every entry of the trained vector d",
    "clora.strength": "weight λ of the penalty; useful values span decades",
    "dsc.score_weight": "weight of the distance of DC scores; 0 leaves them out",
    "dsc.noise_weight": "weight β of the distance of predicted noise",
    "dsc.temperature": "temperature τ of the DC scores",
    "dsc.iterations": "updates of the distillation after each task but the first",
    "dsc.batch": "pictures per update of the distillation",
    "dsc.rate": "learning rate of the distillation",
    "dsc.generic": "word for the concept c⁰ that the pretrained model can draw, e.g. thing; empty: the class noun",
    "ewc.strength": "weight λ of the penalty",
    "ewc.decay": "factor γ that multiplies the importance from earlier tasks at each new task",
    "ewc.passes": "passes over the pictures of a task to measure the importance of weights",
    "ewc.score_weight": "weight of the DC scores in the importance; 0: plain EWC",
    "ewc.temperature": "temperature τ of the DC scores",
    "ewc.candidates": "most candidates k that the DC scores compare",
    "ewc.plain": "whether the scores count only the learned concept, without the contrast to the others",
    "ewc.generic": "word for the concept c⁰ that the pretrained model can draw, e.g. thing; empty: the class noun",
    "merge.rule": "how changes are merged: average, greatest (by magnitude), constrained (closed form) or orthogonal",
    "merge.captions": "words of the vocabulary whose outputs the constrained rule keeps",
    "replay.pictures": "pictures kept per concept; 0: all",
    "replay.afresh": "whether each task starts from the base model (joint training)",
    "olora.strength": "weight λ of the penalty",
    "ziplora.overlap": "weight λ of the penalty on columns that two concepts share",
    "ziplora.iterations": "updates of the coefficients after each task but the first",
    "ziplora.batch": "pictures per update of the coefficients",
    "ziplora.rate": "learning rate of the coefficients",
}
"""What each option does, by ``section.option``."""
