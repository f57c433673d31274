"""The options that methods of the catalogue run with: defaults, what is fixed and tuned, and settings.

Imports no torch: lists use it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from functools import cache
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

from ..benchmark.errors import BadInput
from ..benchmark.ranged import declared
from .catalogue import CATALOGUE, PLAIN


def options_of(name: str, *, tuned: bool = True) -> dict[str, Any]:
    """The options of every part by section: defaults, the rates of the adapter's plain row, what is fixed and tuned."""
    row = CATALOGUE[name]
    if not row.adapter:
        return {}
    kinds = {section: _kind(section) for section in ("learner", row.adapter, *row.consolidations)}
    options = {section: kind() for section, kind in kinds.items() if kind is not None}
    if name != (plain_row := PLAIN[row.adapter]):
        options["learner"] = options_of(plain_row)["learner"]
    options |= {section: replace(options[section], **values) for section, values in row.fixed.items()}
    return applied(options, chosen_by_tuning(name)) if tuned else options


@cache
def _kind(section: str) -> type | None:
    """The options of a part: the dataclass in the module of :mod:`.options` with its name; None where it has none."""
    name = f"{__package__}.options.{section}"
    if find_spec(name) is None:
        return None
    own = [found for found in vars(import_module(name)).values() if getattr(found, "__module__", "") == name]
    (kind,) = (found for found in own if isinstance(found, type))
    return kind


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


def plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as nested plain dicts, for records and keys; an empty text has no effect and is left out."""
    return {section: {k: v for k, v in asdict(o).items() if v != ""} for section, o in options.items()}
