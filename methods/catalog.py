"""The table of named methods: an adapter, consolidations, options. A new pair is a row here, never a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from importlib.resources import files
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


PLAIN = {"tokens": "ti", "kv": "cd", "lora": "lora", "vera": "vera"}
"""The row of each adapter without consolidation, whose rates the others on it inherit."""


@dataclass(frozen=True)
class Row:
    """One named method; ``adapter`` is empty for the base model. ``fixed`` replaces defaults, by section and field."""

    name: str
    adapter: str
    consolidations: tuple[str, ...]
    sentence: str
    paper: str
    fixed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def options(self) -> dict[str, Any]:
        """The options of every part by section: the rates of the adapter's plain row, what is fixed, what was tuned."""
        if not self.adapter:
            return {}
        kinds = {"learner": LearnerOptions, self.adapter: ADAPTERS[self.adapter][1]}
        kinds |= {name: CONSOLIDATIONS[name][1] for name in self.consolidations}
        options = {name: kind() for name, kind in kinds.items() if kind is not None}
        if self.name != (plain_row := PLAIN[self.adapter]):
            options["learner"] = CATALOGUE[plain_row].options()["learner"]
        options |= {name: replace(options[name], **values) for name, values in self.fixed.items()}
        return applied(options, chosen_by_tuning(self.name))


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

CATALOGUE: dict[str, Row] = {
    row.name: row
    for row in (
        Row("base", "", (), "The pretrained model, prompted by the class noun: the floor.", ""),
        Row(
            "ti",
            "tokens",
            (),
            "Textual Inversion: learns one token a concept.",
            "https://arxiv.org/abs/2208.01618",
            {"learner": {"token_rate": 2e-2}},
        ),
        Row(
            "cd", "kv", (), "Custom Diffusion, one concept after another: all keys and values of cross-attention.", _CD
        ),
        Row("cd-merge", "kv", ("merge",), "Custom Diffusion, merged in closed form after each task.", _CD, _EXACT),
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
            _CLORA,
            _TOKEN,
        ),
        Row("ewc", "lora", ("ewc",), "EWC: a spring on the weights that earlier tasks needed.", _EWC),
        Row("ewc-dc", "lora", ("ewc",), "EWC whose Fisher information knows the classifier scores.", _DC, _SCORED),
        Row(
            "dsc",
            "lora",
            ("dsc",),
            "DSC: distils diffusion-classifier scores of earlier adapters into the current one.",
            _DC,
        ),
        Row("dsc-ewc", "lora", ("dsc", "ewc"), "DSC with EWC while training and distilling.", _DC),
        Row("dsc-ewc-dc", "lora", ("dsc", "ewc"), "DSC with EWC-DC while training and distilling.", _DC, _SCORED),
        Row("vera", "vera", (), "One VeRA trained on task after task: vectors over frozen projections.", _VERA, _FAST),
        Row("vera-clora", "vera", ("clora",), "C-LoRA's penalty over VeRA.", _CLORA, _TOKEN),
        Row("vera-ewc", "vera", ("ewc",), "EWC over VeRA.", _EWC),
        Row("vera-ewc-dc", "vera", ("ewc",), "EWC-DC over VeRA.", _DC, _SCORED),
        Row("vera-dsc", "vera", ("dsc",), "DSC over VeRA.", _DC, _FAST_DSC),
        Row("vera-dsc-ewc-dc", "vera", ("dsc", "ewc"), "DSC with EWC-DC over VeRA.", _DC, {**_FAST_DSC, **_SCORED}),
        Row("lwf", "lora", ("dsc",), "Noise distillation from earlier adapters: DSC without scores.", _DMC, _NO_SCORES),
        Row("lora-merge", "lora", ("merge",), "One LoRA a concept from the base model, averaged.", _MERGE),
        Row("olora", "lora", ("olora",), "O-LoRA: later tasks learn in orthogonal directions.", _OLORA),
        Row("ziplora", "lora", ("ziplora",), "One LoRA a concept, merged with learned coefficients.", _ZIP),
        Row("replay", "lora", ("replay",), "Keeps two pictures of each concept: an upper bound.", ""),
        Row(
            "joint",
            "lora",
            ("replay",),
            "Trains on all pictures so far, from the base model, n times the updates at task n: an upper bound.",
            "",
            _JOINT,
        ),
        Row("independent", "lora", ("independent",), "One LoRA a concept, chosen by an oracle: an upper bound.", ""),
    )
}


@cache
def chosen_by_tuning(name: str) -> dict[str, str]:
    """The settings that ``cpbench tune`` found best, from ``tuned/<name>.json``; none where it was not tuned."""
    file = files(__package__) / "tuned" / f"{name}.json"
    chosen: dict[str, str] = json.loads(file.read_text())["chosen"] if file.is_file() else {}
    return chosen


def configure(name: str, settings: Mapping[str, str]) -> dict[str, Any]:
    """The options of a method with ``section.field`` settings applied; raises BadInput for any that do not fit."""
    options = CATALOGUE[name].options()
    valid = sorted(f"{section}.{f.name}" for section, o in options.items() for f in fields(o))
    for key in settings:
        if key not in valid:
            known = ", ".join(valid) or "none"
            raise BadInput(f"--set {key}: no option of method '{name}'; its options: {known}.")
    return applied(options, settings)


def applied(options: Mapping[str, Any], settings: Mapping[str, str]) -> dict[str, Any]:
    """Options with ``section.field`` settings in their place."""
    changed = dict(options)
    for key, text in settings.items():
        section, option = key.split(".")
        value = _parse(key, text, type(getattr(changed[section], option)))
        changed[section] = replace(changed[section], **{option: value})
    return changed


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
