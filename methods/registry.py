"""Methods by name: the catalogue, and whatever other packages publish under the entry-point group cpbench.methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ..benchmark.errors import BadInput, CpbenchError, unknown
from ..benchmark.models.backbone import Backbone
from ..benchmark.protocol import Method
from .build import build, configure, options_of, plain
from .catalogue import CATALOGUE

GROUP = "cpbench.methods"


@dataclass(frozen=True)
class Chosen:
    """A method ready to be built: its name, all options after defaults, and its factory (None: it never learns)."""

    name: str
    options: Mapping[str, Any]
    make: Callable[[Backbone, int], Method] | None


def _plugins() -> dict[str, EntryPoint]:
    """Published methods by name; raises BadInput where two packages claim one name."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        if point.name in found or point.name in CATALOGUE:
            owner = found[point.name].value if point.name in found else "cpbench"
            raise BadInput(f"method '{point.name}' is published twice: by {owner} and by {point.value}; remove one.")
        found[point.name] = point
    return found


def method_names() -> list[str]:
    """All known methods, the catalogue first."""
    return [*CATALOGUE, *sorted(_plugins())]


def choose(names: str, settings: Mapping[str, str]) -> list[Chosen]:
    """The methods of a comma-separated list, or of ``all``; a setting must fit at least one of them."""
    wanted = list(CATALOGUE) if names == "all" else [n.strip() for n in names.split(",") if n.strip()]
    if not wanted:
        raise BadInput(f"--methods '{names}': name at least one of {', '.join(method_names())}.")
    used: set[str] = set()
    chosen = [_choose(name, settings, used) for name in dict.fromkeys(wanted)]
    if lost := sorted(set(settings) - used):
        configure(chosen[0].name, {lost[0]: settings[lost[0]]})
    return chosen


def _choose(name: str, settings: Mapping[str, str], used: set[str]) -> Chosen:
    if name not in CATALOGUE:
        return _choose_plugin(name)
    sections = options_of(name)
    own = {k: v for k, v in settings.items() if k.split(".")[0] in sections}
    options = configure(name, own)
    used |= set(own)
    return Chosen(name, plain(options), partial(build, name, options) if CATALOGUE[name].adapter else None)


def _choose_plugin(name: str) -> Chosen:
    plugins = _plugins()
    if name not in plugins:
        raise unknown("method", name, method_names())
    try:
        factory = plugins[name].load()
    except Exception as error:  # a plug-in may break in any way; only its own user is told
        raise CpbenchError(f"method '{name}' ({plugins[name].value}) cannot be loaded: {error!r}.") from error
    return Chosen(name, _published(plugins[name]), factory)


def _published(point: EntryPoint) -> dict[str, str]:
    """What stands for the options of a plug-in: another version of its package is another method."""
    package = {"package": f"{point.dist.name} {point.dist.version}"} if point.dist else {}
    return {"factory": point.value, **package}


def recorded(name: str, options: Mapping[str, Any]) -> Chosen:
    """The method of a record, with the options that it ran with; raises BadInput where it no longer has them."""
    if name not in CATALOGUE:
        return _choose_plugin(name)
    present = options_of(name)
    try:
        own = {section: replace(present[section], **values) for section, values in options.items()}
    except (KeyError, TypeError):
        raise BadInput(f"method '{name}' no longer has the options of the record; run it again.") from None
    return Chosen(name, plain(own), partial(build, name, own) if CATALOGUE[name].adapter else None)
