"""Methods by name, with their options: the catalogue, and whatever other packages publish (:mod:`.plugins`).

Imports no torch: what is planned and what computes may be two processes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..benchmark.errors import BadInput, CpbenchError
from ..benchmark.names import folder_fault
from ..benchmark.owners import summary
from ..benchmark.protocol import Method, shares_weights
from ..benchmark.sources import code_digest, files_of
from ..benchmark.wording import shown
from .catalogue import CATALOGUE
from .configure import applied, configure, no_option, options_of, plain, valid_options, with_values
from .parts import code_of
from .plugins import Published, allowed_of, defaults_of, keywords_of, load, package_of, point_of, published
from .presets import EMBEDDED, presets, settings_of

if TYPE_CHECKING:
    from ..benchmark.models.backbone import Backbone


@dataclass(frozen=True)
class Chosen:
    """A method ready to be built: its name, all options after defaults, and its factory (None: it never learns).

    ``code``: a digest of the code that it consists of (:mod:`..benchmark.sources`); empty for the base model.
    """

    name: str
    options: Mapping[str, Any]
    make: Callable[[Backbone, int], Method] | None
    code: str


def method_names() -> list[str]:
    """All known methods, the catalogue first."""
    return list(dict.fromkeys([*CATALOGUE, *published()]))


def choose(
    names: str,
    settings: Mapping[str, str],
    warn: Callable[[str], None] = lambda _: None,
    *,
    backbone: str = EMBEDDED[0],
    preset: str | None = None,
) -> list[Chosen]:
    """The methods of a comma-separated list, with settings applied; each once, ``warn`` names those given twice.

    backbone: the model that is taught, see :func:`.configure.options_of`. preset: settings of :mod:`.presets`, for the
    methods that have these options; ``settings`` count more. In the list, ``all`` is the catalogue, and ``all+plugins``
    all known methods. Raises BadInput for an unknown name, for a name that two packages publish, and for a setting that
    fits none of the methods; CpbenchError for a plug-in that cannot be loaded.
    """
    found = published()
    groups = {"all": list(CATALOGUE), "all+plugins": method_names()}
    words = [word.strip() for word in names.split(",") if word.strip()]
    wanted = [name for word in words for name in groups.get(word, [word])]
    if not wanted:
        raise BadInput(f"--methods '{names}': name at least one of {', '.join(method_names())}.")
    given = {**(settings_of(preset) if preset else {}), **settings}
    chosen = [_choose(name, given, found, backbone) for name in dict.fromkeys(wanted)]
    if twice := [name for name, n in Counter(wanted).items() if n > 1]:
        warn(f"--methods {shown(names)}: {shown(', '.join(twice), 200)} given more than once, and run once.")
    sections = {section for one in chosen for section in _sections(one.name)}
    if lost := sorted(key for key in given if key.rpartition(".")[0] not in sections):
        if preset and lost[0] not in settings:
            whose = presets()[preset].method
            raise BadInput(f"--preset {preset}: none of {shown(names)} has the option {lost[0]}; it is for {whose}.")
        if (section := lost[0].rpartition(".")[0]) in found:
            raise BadInput(f"--set {lost[0]}: '{section}' is not among the methods {names}; add it to them.")
        raise no_option(lost[0], chosen[0].name, _valid(chosen[0].name, found))
    return chosen


def choose_one(name: str, settings: Mapping[str, str]) -> Chosen:
    """The method with a name, with settings applied; raises BadInput, also for a list of several."""
    chosen = choose(name, settings)
    if len(chosen) > 1:
        raise BadInput(f"'{shown(name)}' are {len(chosen)} methods; name one.")
    return chosen[0]


def _sections(name: str) -> set[str]:
    """The sections of the options of a method, as ``--set section.option`` names them."""
    return set(options_of(name)) if name in CATALOGUE else {name}


def _valid(name: str, found: Published) -> list[str]:
    """The options of a method, as ``--set`` names them."""
    point = point_of(name, found)
    return [f"{name}.{o}" for o in defaults_of(load(point))] if point else valid_options(options_of(name))


def _choose(name: str, settings: Mapping[str, str], found: Published, backbone: str) -> Chosen:
    point = point_of(name, found)
    own = {key: text for key, text in settings.items() if key.rpartition(".")[0] in _sections(name)}
    if point is not None:
        if fault := folder_fault(name):
            raise BadInput(f"method '{shown(name)}' of {package_of(point)}: its name {fault}; rename its entry point.")
        return _plugin(point, own)
    options = configure(name, own, backbone)
    return _of_catalogue(name, options)


def with_settings(name: str, settings: Mapping[str, str], folder: Path | None = None) -> Chosen:
    """A method of the catalogue as before it was tuned, with settings; folder: see :func:`.configure.options_of`."""
    return _of_catalogue(name, applied(options_of(name, tuned=False, folder=folder), settings))


@shares_weights
def built(name: str, options: Mapping[str, Any], backbone: Backbone, seed: int) -> Method:
    """A method of the catalogue in ``backbone``, its own copy, whose tensors it replaces and never changes."""
    from .build import build

    return build(name, options, backbone, seed)


def _of_catalogue(name: str, options: Mapping[str, Any]) -> Chosen:
    make = partial(built, name, options) if CATALOGUE[name].adapter else None
    return Chosen(name, plain(options), make, code_of(name))


def _plugin(point: EntryPoint, settings: Mapping[str, str]) -> Chosen:
    """A plug-in with settings ``NAME.option`` applied."""
    factory = load(point)
    defaults = defaults_of(factory)
    given = {key.rpartition(".")[2]: text for key, text in settings.items()}
    if lost := sorted(given.keys() - defaults.keys()):
        if lost[0] in (others := keywords_of(factory)):
            raise BadInput(
                f"--set {point.name}.{lost[0]}: cannot be set, since its default in {point.value} is "
                f"{others[lost[0]]!r}; that of an option must be a bool, int, float or str."
            )
        raise no_option(f"{point.name}.{lost[0]}", point.name, [f"{point.name}.{option}" for option in defaults])
    kinds, allowed = {o: type(default) for o, default in defaults.items()}, allowed_of(factory)
    values = {o: allowed[o].parse(f"--set {point.name}.{o}", text, kinds[o]) for o, text in given.items()}
    return _with_values(point, factory, defaults | values)


def _with_values(point: EntryPoint, factory: Callable[..., Method], values: Mapping[str, Any]) -> Chosen:
    """A plug-in with its option values; another version of its package is another method."""
    options = {"factory": point.value} | ({"package": package_of(point)} if point.dist else {})
    code = _code_of(point)
    if not values:
        return Chosen(point.name, options, factory, code)
    return Chosen(point.name, {**options, point.name: dict(values)}, partial(factory, **values), code)


def _code_of(point: EntryPoint) -> str:
    """A digest of the code of a plug-in; raises CpbenchError where a file of it cannot be read as Python."""
    try:
        return code_digest((), files_of(point))
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        raise CpbenchError(f"method '{point.name}' ({package_of(point)}) cannot be read: {summary(error)}.") from error


def recorded(name: str, options: Mapping[str, Any]) -> Chosen:
    """The method of a record, with the options that it ran with; raises BadInput where it no longer has them."""
    found = published()
    if name not in CATALOGUE and name not in found and "factory" in options:
        owner = options.get("package", options["factory"])
        raise BadInput(f"method '{name}' is part of {owner}, which is not installed; install it.")
    point = None if name in CATALOGUE else point_of(name, found)
    if point is not None:
        factory = load(point)
        defaults, given = defaults_of(factory), options.get(name, {})
        if not all(option in defaults and _alike(value, defaults[option]) for option, value in given.items()):
            raise _gone(name)
        for option, value in given.items():
            if value != defaults[option]:
                allowed_of(factory)[option].check(f"{name}.{option}", value, type(defaults[option]))
        return _with_values(point, factory, defaults | given)
    present = options_of(name)
    try:
        given = {section: with_values(section, present[section], values) for section, values in options.items()}
    except (KeyError, AttributeError):
        raise _gone(name) from None
    return _of_catalogue(name, present | given)


def _alike(value: Any, default: Any) -> bool:
    """Whether a recorded value is of the type of an option; JSON may give a whole number for a float."""
    return type(value) is type(default) or (type(value) is int and type(default) is float)


def _gone(name: str) -> BadInput:
    return BadInput(f"method '{name}' no longer has the options of the record; run it again.")
