"""Building methods from the rows of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..benchmark.errors import BadInput
from ..benchmark.models.backbone import Backbone
from ..benchmark.protocol import Method
from .adapters.base import Adapter, Tokens
from .adapters.keys_values import KeysValues
from .adapters.low_rank import Lora, check_rank, widest_rank
from .adapters.vera import Vera
from .catalogue import CATALOGUE
from .consolidations.base import Consolidation
from .consolidations.clora import Clora
from .consolidations.dop import Dop
from .consolidations.dsc import Dsc
from .consolidations.ewc import Ewc
from .consolidations.independent import Independent
from .consolidations.l2 import L2
from .consolidations.lwf import Lwf
from .consolidations.merge import Merge
from .consolidations.olora import Olora
from .consolidations.replay import Replay
from .consolidations.ziplora import Zip
from .learner import Part, assemble
from .options.clora import CloraOptions
from .options.dop import DopOptions
from .options.dsc import DscOptions
from .options.ewc import EwcOptions
from .options.independent import IndependentOptions
from .options.l2 import L2Options
from .options.lora import TARGETS, LoraOptions
from .options.lwf import LwfOptions
from .options.merge import MergeOptions
from .options.olora import OloraOptions
from .options.replay import ReplayOptions
from .options.vera import VeraOptions
from .options.ziplora import ZipOptions

ADAPTERS: dict[str, tuple[Callable[..., Adapter], type | None]] = {
    "tokens": (Tokens, None),
    "kv": (KeysValues, None),
    "lora": (Lora, LoraOptions),
    "vera": (Vera, VeraOptions),
}
CONSOLIDATIONS: dict[str, tuple[Callable[..., Consolidation[Any]], type | None]] = {
    "clora": (Clora, CloraOptions),
    "dsc": (Dsc, DscOptions),
    "ewc": (Ewc, EwcOptions),
    "merge": (Merge, MergeOptions),
    "replay": (Replay, ReplayOptions),
    "olora": (Olora, OloraOptions),
    "ziplora": (Zip, ZipOptions),
    "lwf": (Lwf, LwfOptions),
    "l2": (L2, L2Options),
    "dop": (Dop, DopOptions),
    "independent": (Independent, IndependentOptions),
}


_READING = {"dsc", "lwf", "dop", "ziplora", "merge", "independent"}
"""Parts that do not work with text encoders that change."""


def check_fit(options: Mapping[str, Any], backbone: Backbone, prompt: str, tasks: int) -> None:
    """Raise BadInput for recorded options that do not fit a model, a training prompt or a number of tasks."""
    own = options.get("lora", {})
    rank, targets = own.get("rank", 1), own.get("targets", TARGETS[0])
    check_rank(rank, backbone, targets)
    width = widest_rank(backbone, targets)
    if own.get("text") and (reads := sorted(_READING & set(options))):
        raise BadInput(
            f"lora.text: {reads[0]} compares models under one reading of a prompt, which would change with the text "
            "encoders; leave lora.text out."
        )
    if options.get("merge", {}).get("rule") == "constrained" and not backbone.reads_text:
        raise BadInput(
            f"merge.rule constrained: it needs layers that read the text itself, and those of {backbone.name} read "
            "what earlier layers made of it; choose another merge.rule."
        )
    if options.get("merge", {}).get("rule") == "orthogonal" and rank * tasks > width:
        raise BadInput(
            f"lora.rank {rank}: {tasks} orthogonal LoRAs do not fit into the {width} dimensions that layers of "
            f"{backbone.name} read; give at most {max(1, width // tasks)}, or choose another merge.rule."
        )
    for section in ("dsc", "ewc"):
        backbone.check_prompts([prompt.format(options.get(section, {}).get("generic", ""))])


def build(name: str, options: Mapping[str, Any], backbone: Backbone, seed: int) -> Method:
    """Build a method of the catalogue in ``backbone``, which must be its own copy."""
    row = CATALOGUE[name]
    adapter: Part[Adapter] = ADAPTERS[row.adapter][0], _given(row.adapter, options)
    own: list[Part[Consolidation[Any]]] = [(CONSOLIDATIONS[c][0], _given(c, options)) for c in row.consolidations]
    return assemble(backbone, seed, adapter, own, options["learner"])


def _given(section: str, options: Mapping[str, Any]) -> tuple[Any, ...]:
    """The options of a part; none where it has none."""
    return (options[section],) if section in options else ()
