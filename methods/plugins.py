"""Methods in words, and the methods that other packages publish. Imports no torch: lists and reports use it.

A package publishes a method as an entry point in the group ``cpbench.methods``: the name of the method, and a factory
``factory(backbone, seed, **options)`` that returns a :class:`~cpbench.benchmark.protocol.Method`. Keyword arguments of
the factory whose defaults are a bool, int, float or str are the method's options: ``--set NAME.option=value``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, entry_points
from inspect import signature
from typing import Any, TypeVar, cast

from ..benchmark.errors import BadInput, CpbenchError, unknown
from ..benchmark.numbers import Allowed, anything
from ..benchmark.owners import Owner, raised_at, summary, top_level
from ..benchmark.ranged import declared
from .catalogue import CATALOGUE

GROUP = "cpbench.methods"
_PLAIN = (bool, int, float, str)
F = TypeVar("F", bound=Callable[..., Any])
Published = Mapping[str, Sequence[EntryPoint]]


@dataclass(frozen=True)
class Option:
    """An option of a plug-in: its default, what it does, and what it may be, in words."""

    default: bool | int | float | str
    description: str = ""
    allowed: str = field(default="", compare=False)


@dataclass(frozen=True)
class MethodInfo:
    """A method in words, for lists and reports.

    ``adapter``, ``consolidations``: its parts, where it has such. ``bound``: an upper bound, which sees what others may
    not. ``owner``: the package that it comes from. ``options``: those of a plug-in, by name; for the catalogue see
    :func:`.configure.options_of`. ``fault``: why it cannot be used (then also its sentence); empty where it can.
    """

    name: str
    sentence: str
    adapter: str = ""
    consolidations: tuple[str, ...] = ()
    paper: str = ""
    bound: bool = False
    owner: str = "cpbench"
    options: Mapping[str, Option] = field(default_factory=dict)
    fault: str = ""


def describe(
    sentence: str,
    *,
    adapter: str = "",
    consolidations: Sequence[str] = (),
    paper: str = "",
    bound: bool = False,
    options: Mapping[str, str] | None = None,
) -> Callable[[F], F]:
    """Decorate the factory of a plug-in with what lists and reports show about the method.

    ``options`` describes options by name; TypeError where the factory lacks one of them. A factory that is not
    decorated is described by the first line of its docstring.
    """

    def decorated(factory: F) -> F:
        given, defaults = options or {}, defaults_of(factory)
        if extra := sorted(given.keys() - defaults.keys()):
            raise TypeError(f"'{extra[0]}' is described, but the factory has no keyword argument of this name.")
        own = _options(factory, given)
        info = MethodInfo("", sentence, adapter, tuple(consolidations), paper, bound, options=own)
        cast(Any, factory).method_info = info
        return factory

    return decorated


def defaults_of(factory: Callable[..., Any]) -> dict[str, Any]:
    """The options of a factory: its keyword arguments after backbone and seed whose defaults are of a plain type."""
    return {name: default for name, default in keywords_of(factory).items() if type(default) in _PLAIN}


def allowed_of(factory: Callable[..., Any]) -> dict[str, Allowed]:
    """What each option of a factory may be: what ``Annotated[float, Range(0, 1)]`` declares, or any finite number."""
    defaults = defaults_of(factory)
    try:
        found = declared(getattr(factory, "__init__", None) if isinstance(factory, type) else factory)
    except Exception:  # the annotations of another package may fail in any way; a method runs without them
        found = {}
    kinds = {name: type(default) for name, default in defaults.items()}
    return {
        name: found[name].allowed if name in found and found[name].kind is kind else anything(kind)
        for name, kind in kinds.items()
    }


def keywords_of(factory: Callable[..., Any]) -> dict[str, Any]:
    """All keyword arguments of a factory after backbone and seed that have a default."""
    try:
        arguments = list(signature(factory).parameters.values())
    except (TypeError, ValueError):  # some callables have no signature
        return {}
    first = sum(a.kind in (a.POSITIONAL_ONLY, a.POSITIONAL_OR_KEYWORD) for a in arguments[:2])
    named = (a for a in arguments[first:] if a.kind in (a.POSITIONAL_OR_KEYWORD, a.KEYWORD_ONLY))
    return {a.name: a.default for a in named if a.default is not a.empty}


def published() -> Published:
    """The entry points of all methods of other packages, by name; several where packages claim the same name."""
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, []).append(point)
    return dict(sorted(found.items()))


def point_of(name: str, found: Published) -> EntryPoint | None:
    """The entry point of a method, None for one of the catalogue.

    Raises BadInput for an unknown name, and for one that two packages publish.
    """
    owners = _owners(name, found)
    if not owners:
        raise unknown("method", name, {*CATALOGUE, *found})
    if len(owners) > 1:
        raise BadInput(f"method '{name}' is published twice: by {' and by '.join(owners)}; uninstall one of them.")
    return found[name][0] if name in found else None


def load(point: EntryPoint) -> Callable[..., Any]:
    """Import the factory of a plug-in; raises CpbenchError with its owner where that fails."""
    who = Owner("method", point.name, _owner(point), top_level(point.value))
    try:
        factory = point.load()
    except (Exception, SystemExit) as error:  # a plug-in may break in any way; only who asks for it sees the error
        where = f"{summary(error)}, raised at {raised_at(error, who)}"
        raise CpbenchError(f"{who} cannot be loaded: {where}.") from error
    if not callable(factory):
        raise CpbenchError(f"{who} is no factory(backbone, seed) but {factory!r}.")
    if fault := _uncallable(factory):
        raise CpbenchError(f"{who} cannot be called as factory(backbone, seed): {fault}; give its options defaults.")
    return cast(Callable[..., Any], factory)


def _uncallable(factory: Callable[..., Any]) -> str | None:
    """Why a factory cannot be called with a backbone and a seed alone, by its signature."""
    try:
        own = signature(factory)
    except (TypeError, ValueError):
        return None
    try:
        own.bind(None, 0)
    except TypeError as error:
        return str(error)
    return None


def described(names: Iterable[str] | None = None) -> dict[str, MethodInfo]:
    """Methods in words by name: those of ``names`` that are known, or all, the catalogue first.

    Only plug-ins that are asked for are imported. One that cannot be used has the reason as its ``fault``.
    """
    asked = None if names is None else list(dict.fromkeys(names))
    found = published() if asked is None or not CATALOGUE.keys() >= set(asked) else {}
    known = dict.fromkeys([*CATALOGUE, *found])
    return {name: _info(name, found) for name in (known if asked is None else asked) if name in known}


def about(name: str) -> MethodInfo:
    """One method in words; raises BadInput for an unknown name."""
    if info := described([name]).get(name):
        return info
    raise unknown("method", name, {*CATALOGUE, *published()})


def _info(name: str, found: Published) -> MethodInfo:
    owner = " and ".join([*(["cpbench"] if name in CATALOGUE else []), *map(package_of, found.get(name, ()))])
    try:
        point = point_of(name, found)
        if point is None:
            row = CATALOGUE[name]
            return MethodInfo(name, row.sentence, row.adapter, row.consolidations, row.paper, row.bound)
        return replace(_info_of(load(point)), name=name, owner=owner)
    except CpbenchError as error:
        return MethodInfo(name, str(error), owner=owner, fault=str(error))


def _info_of(factory: Callable[..., Any]) -> MethodInfo:
    info = getattr(factory, "method_info", None)
    if isinstance(info, MethodInfo):
        return info
    return MethodInfo("", (factory.__doc__ or "").strip().partition("\n")[0], options=_options(factory, {}))


def _options(factory: Callable[..., Any], texts: Mapping[str, str]) -> dict[str, Option]:
    """The options of a factory in words."""
    allowed = allowed_of(factory)
    return {
        name: Option(default, texts.get(name, ""), allowed[name].wanted(type(default)))
        for name, default in defaults_of(factory).items()
    }


def _owners(name: str, found: Published) -> list[str]:
    return [*(["cpbench"] if name in CATALOGUE else []), *map(_owner, found.get(name, ()))]


def _owner(point: EntryPoint) -> str:
    return f"{package_of(point)}, {point.value}" if point.dist else point.value


def package_of(point: EntryPoint) -> str:
    """The package of a plug-in and its version; the address of its factory where the package is not known."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value
