"""The options that methods of the catalogue run with: defaults, what is inherited, fixed and tuned, and settings.

A row inherits the learning rates with which its adapter's plain row learns best, and the tuned values of the rows in
:attr:`.row.MethodRow.inherits`; what it fixes or tunes itself counts more. Tuned values come from files
``<name>.json`` of ``cpbench tune``: those of the package, or of a ``folder`` before these. Imports no torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import cache
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..benchmark.errors import BadInput
from ..benchmark.ranged import declared, without_added
from .catalogue import CATALOGUE, PLAIN
from .presets import EMBEDDED, field_values


def options_of(
    name: str, *, tuned: bool = True, folder: Path | None = None, backbone: str = EMBEDDED[0]
) -> dict[str, Any]:
    """The options of every part by section: defaults, what is inherited and fixed, and what is ``tuned`` for this row.

    folder: where tuned values are looked up before those of the package. backbone: on any but those that are embedded,
    learning rates and sizes of adapters are those of the field (:data:`.presets.FIELD`).
    """
    row = CATALOGUE[name]
    if not row.adapter:
        return {}
    kinds = {section: _kind(section) for section in _sections(name)}
    options = {section: kind() for section, kind in kinds.items() if kind is not None}
    if name != (plain_row := PLAIN[row.adapter]):
        options["learner"] = options_of(plain_row, tuned=False)["learner"]
    options |= {section: replace(options[section], **values) for section, values in row.fixed.items()}
    options = applied(options, {key: value for key, (_, value) in inherited(name, folder).items()})
    options = applied(options, chosen_by_tuning(name, folder)) if tuned else options
    if backbone in EMBEDDED:
        return options
    return applied(options, {key: value for key, (value, _) in field_values(row.adapter, options).items()})


def _sections(name: str) -> tuple[str, ...]:
    row = CATALOGUE[name]
    return "learner", row.adapter, *row.consolidations


def ancestors(name: str) -> tuple[str, ...]:
    """The rows that a row takes tuned values from, directly: the plain row of its adapter, then those it inherits."""
    row = CATALOGUE[name]
    plain_row = PLAIN.get(row.adapter, name)
    return (*(() if plain_row == name else (plain_row,)), *row.inherits)


def inherited(name: str, folder: Path | None = None) -> dict[str, tuple[str, str]]:
    """The tuned values that a row takes over, by ``section.option``: the row that tuned it, and the value.

    Of the rows it inherits, those of its own parts, without learning rates of the adapter: these are of the plain row,
    and those with which it learns best, not those with which it keeps most by learning less.
    What a row fixes is not taken over, unless the row that tuned it had fixed it at the same value before.
    """
    found: dict[str, tuple[str, str]] = {}
    for source in ancestors(name):
        rates = source not in CATALOGUE[name].inherits
        chosen = chosen_by_tuning(source, folder, learned=rates)
        values = inherited(source, folder) | {key: (source, value) for key, value in chosen.items()}
        found |= {key: value for key, value in values.items() if key.startswith("learner.") == rates}
    return {key: value for key, value in found.items() if _taken_over(name, key, value[0])}


def _taken_over(name: str, key: str, source: str) -> bool:
    section, option = key.split(".")
    fixed, before = (CATALOGUE[row].fixed.get(section, {}) for row in (name, source))
    return section in _sections(name) and (option not in fixed or before.get(option) == fixed[option])


@cache
def _kind(section: str) -> type | None:
    """The options of a part: the dataclass in the module of :mod:`.options` with its name; None where it has none."""
    name = f"{__package__}.options.{section}"
    if find_spec(name) is None:
        return None
    own = [found for found in vars(import_module(name)).values() if getattr(found, "__module__", "") == name]
    (kind,) = (found for found in own if isinstance(found, type))
    return kind


def chosen_by_tuning(name: str, folder: Path | None = None, *, learned: bool = False) -> dict[str, str]:
    """The settings that ``cpbench tune`` chose: of the file in ``folder``, if there is one, else of the package's.

    ``learned``: those of a plain row with which concepts are learned best, rather than those with the best average in
    the end. Empty where the method was not tuned, or all of its trials failed.
    """
    own = None if folder is None else folder / f"{name}.json"
    content = json.loads(own.read_text(encoding="utf-8")) if own is not None and own.is_file() else _shipped(name)
    chosen: dict[str, str] = (content.get("learned", {}) if learned else content).get("chosen") or {}
    return chosen


@cache
def _shipped(name: str) -> dict[str, Any]:
    file = files(__package__) / "tuned" / f"{name}.json"
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return content


def configure(name: str, settings: Mapping[str, str], backbone: str = EMBEDDED[0]) -> dict[str, Any]:
    """The options of a method on a backbone, with ``section.field`` settings; raises BadInput if any do not fit."""
    options = options_of(name, backbone=backbone)
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


def plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as nested plain dicts, for records and keys; an empty text has no effect and is left out."""
    return {section: {k: v for k, v in without_added(o).items() if v != ""} for section, o in options.items()}
