"""The table of named methods: an adapter, consolidations, fixed options. A new pair is a row here, never a file.

It is data and imports no torch, so that lists and reports can read it.
"""

from __future__ import annotations

from . import papers
from .row import MethodRow as MethodRow

PLAIN = {"tokens": "ti", "kv": "cd", "lora": "lora", "vera": "vera"}
"""The row of each adapter without consolidation; the other rows with this adapter inherit its learning rates."""


_EXACT = {"merge": {"rule": "constrained"}}
_JOINT = {"replay": {"pictures": 0, "afresh": True}}
_AVERAGED = {"independent": {"compose": "average"}}
_SCORED = {"ewc": {"score_weight": 1.0}}
_NO_SCORES = {"dsc": {"score_weight": 0.0}}
_FAST = {"learner": {"rate": 1e-2}}
_TOKEN = {"learner": {"use_noun": False, "token_rate": 5e-3}}
_FAST_DSC = {"dsc": {"rate": 1e-2}}
_LIGHT = {"ewc": {"strength": 1e-4}}

CATALOGUE: dict[str, MethodRow] = {
    row.name: row
    for row in (
        MethodRow("base", "", (), "The pretrained model, prompted with the class noun: the floor.", ""),
        MethodRow(
            "ti",
            "tokens",
            (),
            "Textual Inversion: learns one new token per concept and no weights of the network.",
            papers.TI,
            {"learner": {"token_rate": 2e-2}},
        ),
        MethodRow(
            "cd",
            "kv",
            (),
            "Custom Diffusion, one concept after another: trains all keys and values of cross-attention.",
            papers.CD,
        ),
        MethodRow(
            "cd-merge",
            "kv",
            ("merge",),
            "Custom Diffusion of each concept from the base model, merged in closed form after each task.",
            papers.CD,
            _EXACT,
        ),
        MethodRow(
            "lora",
            "lora",
            (),
            "Trains one LoRA (low-rank adaptation) on task after task: the lower bound.",
            papers.LORA,
        ),
        MethodRow(
            "clora",
            "lora",
            ("clora",),
            "C-LoRA (continual LoRA): adds a penalty on changing weights that earlier tasks have changed.",
            papers.CLORA,
            _TOKEN,
        ),
        MethodRow(
            "clora-noun",
            "lora",
            ("clora",),
            "C-LoRA with prompts that name the token and its class noun.",
            papers.CLORA,
            inherits=("clora",),
        ),
        MethodRow(
            "ewc",
            "lora",
            ("ewc",),
            "EWC (elastic weight consolidation): a quadratic penalty holds weights important to earlier tasks.",
            papers.EWC,
        ),
        MethodRow(
            "ewc-dc",
            "lora",
            ("ewc",),
            "EWC that includes diffusion-classifier (DC) scores in the importance of weights.",
            papers.DC,
            _SCORED,
            inherits=("ewc",),
        ),
        MethodRow(
            "dsc",
            "lora",
            ("dsc",),
            "DSC (diffusion scores consolidation): distils the DC scores of earlier adapters into the present one.",
            papers.DC,
            inherits=("lwf",),
        ),
        MethodRow(
            "dsc-ewc",
            "lora",
            ("dsc", "ewc"),
            "DSC with the penalty of EWC while training and distilling.",
            papers.DC,
            inherits=("dsc", "ewc"),
        ),
        MethodRow(
            "dsc-ewc-dc",
            "lora",
            ("dsc", "ewc"),
            "DSC with the penalty of EWC-DC while training and distilling.",
            papers.DC,
            _SCORED,
            inherits=("ewc-dc", "dsc-ewc"),
        ),
        MethodRow(
            "vera",
            "vera",
            (),
            "VeRA (vector-based random matrix adaptation): vectors scale frozen random projections, task after task.",
            papers.VERA,
            _FAST,
        ),
        MethodRow("vera-clora", "vera", ("clora",), "VeRA with the penalty of C-LoRA.", papers.CLORA, _TOKEN),
        MethodRow("vera-ewc", "vera", ("ewc",), "VeRA with the penalty of EWC.", papers.EWC, _LIGHT, inherits=("ewc",)),
        MethodRow(
            "vera-ewc-dc",
            "vera",
            ("ewc",),
            "VeRA with the penalty of EWC-DC.",
            papers.DC,
            _SCORED,
            inherits=("ewc-dc", "vera-ewc"),
        ),
        MethodRow(
            "vera-dsc", "vera", ("dsc",), "VeRA with the distillation of DSC.", papers.DC, _FAST_DSC, inherits=("dsc",)
        ),
        MethodRow(
            "vera-dsc-ewc-dc",
            "vera",
            ("dsc", "ewc"),
            "VeRA with the distillation of DSC and the penalty of EWC-DC.",
            papers.DC,
            {**_FAST_DSC, **_SCORED},
            inherits=("vera-dsc", "vera-ewc-dc"),
        ),
        MethodRow(
            "lwf",
            "lora",
            ("dsc",),
            "LwF (learning without forgetting): distils the predicted noise of earlier adapters; DSC without scores.",
            papers.DMC,
            _NO_SCORES,
        ),
        MethodRow(
            "lwf-online",
            "lora",
            ("lwf",),
            "LwF while training: keeps the noise that the model of the last task predicts for an earlier concept.",
            papers.LWF,
        ),
        MethodRow(
            "l2", "lora", ("l2",), "Adds a penalty on the distance from the weights after the last task.", papers.EWC
        ),
        MethodRow(
            "dop",
            "lora",
            ("dop",),
            "DOP (differential output preservation): keeps what the base model predicts for the class noun.",
            "",
        ),
        MethodRow(
            "lora-merge",
            "lora",
            ("merge",),
            "Trains one LoRA per concept from the base model, and averages them.",
            papers.MERGE,
        ),
        MethodRow(
            "olora",
            "lora",
            ("olora",),
            "O-LoRA (orthogonal LoRA): adds a penalty on reading the input directions of earlier tasks.",
            papers.OLORA,
        ),
        MethodRow(
            "ziplora",
            "lora",
            ("ziplora",),
            "ZipLoRA: trains one LoRA per concept from the base model, and merges them with learned coefficients.",
            papers.ZIP,
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
        MethodRow(
            "lora-compose",
            "lora",
            ("independent",),
            "As independent; several LoRAs draw one prompt by the average of their predicted noise: an upper bound.",
            papers.COMPOSE,
            _AVERAGED,
            bound=True,
        ),
    )
}

UPPER_BOUNDS = frozenset(row.name for row in CATALOGUE.values() if row.bound)
