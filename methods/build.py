"""Building methods from the rows of the catalogue: their parts, and the options that these take."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from functools import cache
from importlib.resources import files
from typing import Any

from ..benchmark.errors import BadInput
from ..benchmark.models.backbone import Backbone
from ..benchmark.protocol import Method
from ..benchmark.ranged import declared
from ..benchmark.sources import code_digest
from .adapters.base import Adapter, Tokens
from .adapters.keys_values import KeysValues
from .adapters.low_rank import Lora, LoraOptions, Vera, VeraOptions, check_rank, widest_rank
from .catalogue import CATALOGUE, PLAIN
from .consolidations.base import Consolidation
from .consolidations.clora import Clora, CloraOptions
from .consolidations.dsc import Dsc, DscOptions
from .consolidations.ewc import Ewc, EwcOptions
from .consolidations.independent import Independent
from .consolidations.merge import Merge, MergeOptions
from .consolidations.olora import Olora, OloraOptions
from .consolidations.replay import Replay, ReplayOptions
from .consolidations.ziplora import Zip, ZipOptions
from .learner import Learner, LearnerOptions, Part, assemble

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
    "independent": (Independent, None),
}


def options_of(name: str, *, tuned: bool = True) -> dict[str, Any]:
    """The options of every part by section: defaults, the rates of the adapter's plain row, what is fixed and tuned."""
    row = CATALOGUE[name]
    if not row.adapter:
        return {}
    kinds = {"learner": LearnerOptions, row.adapter: ADAPTERS[row.adapter][1]}
    kinds |= {section: CONSOLIDATIONS[section][1] for section in row.consolidations}
    options = {section: kind() for section, kind in kinds.items() if kind is not None}
    if name != (plain_row := PLAIN[row.adapter]):
        options["learner"] = options_of(plain_row)["learner"]
    options |= {section: replace(options[section], **values) for section, values in row.fixed.items()}
    return applied(options, chosen_by_tuning(name)) if tuned else options


@cache
def chosen_by_tuning(name: str) -> dict[str, str]:
    """The settings that ``cpbench tune`` found best, from ``tuned/<name>.json``; none where it was not tuned."""
    file = files(__package__) / "tuned" / f"{name}.json"
    chosen: dict[str, str] = json.loads(file.read_text())["chosen"] if file.is_file() else {}
    return chosen


def configure(name: str, settings: Mapping[str, str]) -> dict[str, Any]:
    """The options of a method with ``section.field`` settings applied; raises BadInput for any that do not fit."""
    options = options_of(name)
    valid = valid_options(options)
    if lost := [key for key in settings if key not in valid]:
        raise no_option(lost[0], name, valid)
    return applied(options, settings)


def valid_options(options: Mapping[str, Any]) -> list[str]:
    """The ``section.field`` keys of options by section, sorted."""
    return sorted(f"{section}.{f.name}" for section, own in options.items() for f in fields(own))


def no_option(key: str, name: str, valid: Sequence[str]) -> BadInput:
    """The error for a setting that a method does not have; ``valid`` are those that it has."""
    return BadInput(f"--set {key}: no option of method '{name}'; its options: {', '.join(valid) or 'none'}.")


def applied(options: Mapping[str, Any], settings: Mapping[str, str]) -> dict[str, Any]:
    """Options with ``section.field`` settings applied; raises BadInput for a value that is not allowed."""
    changed = dict(options)
    for key, text in settings.items():
        section, option = key.split(".")
        kind, allowed = declared(type(changed[section]))[option]
        changed[section] = replace(changed[section], **{option: allowed.parse(f"--set {key}", text, kind)})
    return changed


def with_values(section: str, options: Any, values: Mapping[str, Any]) -> Any:
    """The options of a section with other values; KeyError for one that it lacks, BadInput for what is not allowed."""
    known = declared(type(options))
    checked = {o: known[o].allowed.check(f"{section}.{o}", value, known[o].kind) for o, value in values.items()}
    return replace(options, **checked)


def check_fit(options: Mapping[str, Any], backbone: Backbone, prompt: str, tasks: int) -> None:
    """Raise BadInput for recorded options that do not fit a model, a training prompt or a number of tasks."""
    rank, width = options.get("lora", {}).get("rank", 1), widest_rank(backbone)
    check_rank(rank, backbone)
    if options.get("merge", {}).get("rule") == "orthogonal" and rank * tasks > width:
        raise BadInput(
            f"lora.rank {rank}: {tasks} orthogonal LoRAs do not fit into the {width} dimensions that layers of "
            f"{backbone.name} read; give at most {max(1, width // tasks)}, or choose another merge.rule."
        )
    for section in ("dsc", "ewc"):
        backbone.check_prompts([prompt.format(options.get(section, {}).get("generic", ""))])


def plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as nested plain dicts, for records and keys; an empty text has no effect and is left out."""
    return {section: {k: v for k, v in asdict(o).items() if v != ""} for section, o in options.items()}


def build(name: str, options: Mapping[str, Any], backbone: Backbone, seed: int) -> Method:
    """Build a method of the catalogue in ``backbone``, which must be its own copy."""
    row = CATALOGUE[name]
    adapter: Part[Adapter] = ADAPTERS[row.adapter][0], _given(row.adapter, options)
    own: list[Part[Consolidation[Any]]] = [(CONSOLIDATIONS[c][0], _given(c, options)) for c in row.consolidations]
    return assemble(backbone, seed, adapter, own, options["learner"])


def _given(section: str, options: Mapping[str, Any]) -> tuple[Any, ...]:
    """The options of a part; none where it has none."""
    return (options[section],) if section in options else ()


def code_of(name: str) -> str:
    """A digest of the code that a method of the catalogue consists of; empty for the base model."""
    row = CATALOGUE[name]
    parts = [ADAPTERS[row.adapter][0], *(CONSOLIDATIONS[c][0] for c in row.consolidations)] if row.adapter else []
    return code_digest([Learner.__module__, *(part.__module__ for part in parts)]) if parts else ""
