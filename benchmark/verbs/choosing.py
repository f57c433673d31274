"""Which methods are asked for, with the options that hold on a model, and where their values come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ...methods.catalogue import CATALOGUE
from ...methods.presets import EMBEDDED, field_values
from ...methods.registry import Chosen, choose
from ..wording import shown


def chosen_for(
    names: str, settings: Mapping[str, str], backbone: str, preset: str | None, warn: Callable[[str], None]
) -> list[Chosen]:
    """The methods by name; ``warn`` is told which of their values were published for such models, and by whom."""
    chosen = choose(names, settings, warn, backbone=backbone, preset=preset)
    if backbone not in EMBEDDED and preset is None:
        for sentence in _sources(chosen, settings, backbone):
            warn(sentence)
    return chosen


def _sources(chosen: Sequence[Chosen], settings: Mapping[str, str], backbone: str) -> list[str]:
    rows = {CATALOGUE[one.name].adapter: one for one in chosen if one.name in CATALOGUE}
    found = []
    for adapter, one in rows.items():
        values = field_values(adapter, one.options)
        each = [f"{k}={v} ({p.name}, grade {p.grade})" for k, (v, p) in values.items() if k not in settings]
        if each:
            found.append(
                f"Values tuned for toybox do not hold on {shown(backbone)}: methods that train {adapter} use published "
                f"ones, {', '.join(each)}. 'cpbench list presets' has the sources; --preset and --set choose others."
            )
    untuned = sorted({key for one in chosen for key in _unpublished(one) if key not in settings})
    if untuned:
        found.append(
            f"No public value is known for {', '.join(untuned)}: as for toybox. Choose them with --set, and tune on "
            "concepts that you do not report."
        )
    return found


def _unpublished(one: Chosen) -> set[str]:
    """The options that cpbench tunes for a method, without those that the field has values for."""
    from ...methods.search_space import space

    if one.name not in CATALOGUE:
        return set()
    keys = {key for name in (one.name, *CATALOGUE[one.name].inherits) for key in space(name)}
    return keys - set(field_values(CATALOGUE[one.name].adapter, one.options))
