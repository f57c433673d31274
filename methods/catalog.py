"""The table of named methods: an adapter, consolidations, options. A new pair is a row here, never a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from ..benchmark.backbone import Backbone
from ..benchmark.errors import BadInput
from ..benchmark.protocol import Method
from .adapters import Adapter, Tokens
from .clora import Clora, CloraOptions
from .consolidation import Consolidation
from .dsc import Dsc, DscOptions
from .ewc import Ewc, EwcOptions
from .independent import Independent
from .keys_values import KeysValues
from .learner import Learner, LearnerOptions
from .low_rank import Lora, LoraOptions, Vera, VeraOptions
from .merge import Merge, MergeOptions
from .olora import Olora, OloraOptions
from .replay import Replay, ReplayOptions
from .ziplora import Zip, ZipOptions

ADAPTERS: dict[str, tuple[Callable[..., Adapter], type | None]] = {
    "tokens": (lambda backbone, seed: Tokens(), None),
    "kv": (KeysValues, None),
    "lora": (Lora, LoraOptions),
    "vera": (Vera, VeraOptions),
}
CONSOLIDATIONS: dict[str, tuple[Callable[..., Consolidation], type | None]] = {
    "clora": (Clora, CloraOptions),
    "dsc": (Dsc, DscOptions),
    "ewc": (Ewc, EwcOptions),
    "merge": (Merge, MergeOptions),
    "replay": (Replay, ReplayOptions),
    "olora": (Olora, OloraOptions),
    "ziplora": (Zip, ZipOptions),
    "independent": (Independent, None),
}


@dataclass(frozen=True)
class Row:
    """One named method; ``adapter`` is empty for the base model. ``tuned`` replaces defaults, by section and field."""

    name: str
    adapter: str
    consolidations: tuple[str, ...]
    sentence: str
    paper: str
    tuned: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def options(self) -> dict[str, Any]:
        """The options of every part of the method, by section, tuned values applied."""
        if not self.adapter:
            return {}
        kinds = {"learner": LearnerOptions, self.adapter: ADAPTERS[self.adapter][1]}
        kinds |= {name: CONSOLIDATIONS[name][1] for name in self.consolidations}
        return {name: kind(**self.tuned.get(name, {})) for name, kind in kinds.items() if kind is not None}


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
_FAST_TOKEN = {"learner": {"rate": 1e-2, "use_noun": False}}
_FAST_DSC = {"learner": {"rate": 1e-2}, "dsc": {"rate": 1e-2}}

CATALOGUE: dict[str, Row] = {
    row.name: row
    for row in (
        Row("base", "", (), "The pretrained model, prompted by the class noun: the floor.", ""),
        Row("ti", "tokens", (), "Textual Inversion: learns one token a concept.", "https://arxiv.org/abs/2208.01618"),
        Row(
            "cd",
            "kv",
            (),
            "Custom Diffusion, one concept after another: all keys and values of cross-attention.",
            "https://arxiv.org/abs/2212.04488",
        ),
        Row(
            "lora",
            "lora",
            (),
            "One LoRA trained on task after task: the lower bound.",
            "https://arxiv.org/abs/2106.09685",
        ),
        Row(
            "clora",
            "lora",
            ("clora",),
            "C-LoRA: a penalty on changing again what earlier tasks have changed.",
            "https://arxiv.org/abs/2304.06027",
            {"learner": {"use_noun": False}},
        ),
        Row(
            "dsc",
            "lora",
            ("dsc",),
            "DSC: distils diffusion-classifier scores of earlier adapters into the current one.",
            "https://arxiv.org/abs/2410.00700",
        ),
        Row("lwf", "lora", ("dsc",), "Noise distillation from earlier adapters: DSC without scores.", _DMC, _NO_SCORES),
        Row("cd-merge", "kv", ("merge",), "Custom Diffusion, merged in closed form after each task.", _CD, _EXACT),
        Row("lora-merge", "lora", ("merge",), "One LoRA a concept from the base model, averaged.", _MERGE),
        Row("olora", "lora", ("olora",), "O-LoRA: later tasks learn in orthogonal directions.", _OLORA),
        Row("ziplora", "lora", ("ziplora",), "One LoRA a concept, merged with learned coefficients.", _ZIP),
        Row("replay", "lora", ("replay",), "Keeps two pictures of each concept: an upper bound.", ""),
        Row(
            "joint",
            "lora",
            ("replay",),
            "Trains on all pictures so far, from the base model: the bound.",
            "",
            _JOINT,
        ),
        Row("ewc", "lora", ("ewc",), "EWC: a spring on the weights that earlier tasks needed.", _EWC),
        Row("ewc-dc", "lora", ("ewc",), "EWC whose Fisher information knows the classifier scores.", _DC, _SCORED),
        Row("dsc-ewc", "lora", ("dsc", "ewc"), "DSC with EWC while training and distilling.", _DC),
        Row("dsc-ewc-dc", "lora", ("dsc", "ewc"), "DSC with EWC-DC while training and distilling.", _DC, _SCORED),
        Row("vera", "vera", (), "One VeRA trained on task after task: vectors over frozen projections.", _VERA, _FAST),
        Row("vera-clora", "vera", ("clora",), "C-LoRA's penalty over VeRA.", _CLORA, _FAST_TOKEN),
        Row("vera-ewc", "vera", ("ewc",), "EWC over VeRA.", _EWC, _FAST),
        Row("vera-ewc-dc", "vera", ("ewc",), "EWC-DC over VeRA.", _DC, {**_FAST, **_SCORED}),
        Row("vera-dsc", "vera", ("dsc",), "DSC over VeRA.", _DC, _FAST_DSC),
        Row("vera-dsc-ewc-dc", "vera", ("dsc", "ewc"), "DSC with EWC-DC over VeRA.", _DC, {**_FAST_DSC, **_SCORED}),
        Row("independent", "lora", ("independent",), "One LoRA a concept, chosen by an oracle: an upper bound.", ""),
    )
}


def configure(name: str, settings: Mapping[str, str]) -> dict[str, Any]:
    """The options of a method with ``section.field`` settings applied; raises BadInput for any that do not fit."""
    options = CATALOGUE[name].options()
    valid = sorted(f"{section}.{f.name}" for section, o in options.items() for f in fields(o))
    for key, text in settings.items():
        if key not in valid:
            known = ", ".join(valid) or "none"
            raise BadInput(f"--set {key}: no option of method '{name}'; its options: {known}.")
        section, option = key.split(".")
        value = _parse(key, text, type(getattr(options[section], option)))
        options[section] = replace(options[section], **{option: value})
    return options


def _parse(key: str, text: str, kind: type) -> Any:
    """Read a setting as the type of its default."""
    try:
        return {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError):
        raise BadInput(f"--set {key}={text}: expected a value of type {kind.__name__}.") from None


def plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as nested plain dicts, for records and keys."""
    return {section: asdict(o) for section, o in options.items()}


def build(name: str, options: Mapping[str, Any], backbone: Backbone, seed: int) -> Method:
    """Build a catalogue method in ``backbone``, which must be its own copy."""
    row = CATALOGUE[name]
    parts = [CONSOLIDATIONS[c] for c in row.consolidations]
    own = [make(options[c]) if kind else make() for c, (make, kind) in zip(row.consolidations, parts, strict=True)]
    make, kind = ADAPTERS[row.adapter]
    adapter = make(backbone, seed, options[row.adapter]) if kind else make(backbone, seed)
    return Learner(backbone, seed, adapter, own, options["learner"])
