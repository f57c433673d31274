"""Loads what the model libraries import for rare uses, such as the compiler of torch, when it is first used.

transformers and diffusers import :data:`UNHURRIED` in modules that cpbench needs, for functions that it does not call.
A lazy module has its name, its place and its submodules, and runs its code when anything else of it is asked for. So
code of any package finds what it expects; only the time of loading changes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial, wraps
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import FunctionType, ModuleType
from typing import Any

_COMPILER = "torch._dynamo"
UNHURRIED = (_COMPILER, f"{_COMPILER}.utils", "scipy.integrate", "scipy.optimize", "scipy.stats")
"""Packages that are loaded when they are first used: together some 1.5 s and 130 MB per process."""
_MARKS = ("allow_in_graph", "assume_constant_result", "forbid_in_graph")
"""Decorators of the compiler that return what they are given, and only note how to compile it."""
_BREAK = "graph_break"
"""What the optimisers of torch call to interrupt a compilation."""
_CALLED = {f"{_COMPILER}.utils": ("is_compile_supported",), "scipy.optimize": ("linear_sum_assignment",)}
"""Functions that other packages import by name, and call later if ever."""


class _Lazy(ModuleType):
    """A module whose code has not run yet."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__all__":  # tools ask every module for such names
            raise AttributeError(f"module '{self.__name__}' has no attribute '{name}'")
        if PathFinder.find_spec(f"{self.__name__}.{name}", getattr(self, "__path__", [])):
            return import_module(f"{self.__name__}.{name}")
        _run(self)
        return getattr(self, name)


class _Unhurried(Loader):
    """Makes a module, but runs its code only when an attribute is asked for."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader
        self.marked: list[tuple[str, Any]] = []
        """What the compiler was told before it was loaded: the name of a decorator, and what it decorated."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module without its content."""
        return _Lazy(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Give the module what others take from it while they are imported: nothing is compiled until it is loaded."""
        vars(module).update({name: partial(_call, module, name) for name in _CALLED.get(module.__name__, ())})
        if module.__name__ == _COMPILER:
            own: dict[str, Any] = {"disable": partial(_disable, module), _BREAK: partial(_break, module)}
            vars(module).update(own | {name: partial(self._mark, name) for name in _MARKS})

    def _mark(self, name: str, what: Any) -> Any:
        self.marked.append((name, what))
        return what


def _run(module: ModuleType) -> None:
    """Run the code of a lazy module, that of its package first."""
    package = sys.modules.get(module.__name__.rpartition(".")[0])
    if isinstance(package, _Lazy):
        _run(package)
    if not isinstance(module, _Lazy):  # its package used it
        return
    spec = module.__spec__
    assert spec is not None and isinstance(spec.loader, _Unhurried)
    lazy = spec.loader
    object.__setattr__(module, "__class__", ModuleType)
    for name in ("disable", _BREAK, *_MARKS, *_CALLED.get(module.__name__, ())):
        vars(module).pop(name, None)
    spec.loader = module.__loader__ = lazy.loader
    lazy.loader.exec_module(module)
    for name, what in lazy.marked:
        getattr(module, name)(what)


def _call(module: ModuleType, name: str, *given: Any, **named: Any) -> Any:
    """Call a function of a module that may not have been run yet."""
    _run(module)
    return getattr(module, name)(*given, **named)


def _break(module: ModuleType, *given: Any, **named: Any) -> None:
    """``torch._dynamo.graph_break``: nothing to interrupt, unless the compiler is loaded."""
    if not isinstance(module, _Lazy):
        module.graph_break(*given, **named)


def _disable(module: ModuleType, fn: Any = None, *args: Any, **options: Any) -> Any:
    """``torch._dynamo.disable``: a function that the compiler, should it ever be loaded, leaves as it is."""
    if fn is None:
        return lambda later: _disable(module, later, *args, **options)
    if not isinstance(fn, FunctionType):
        _run(module)
        return module.disable(fn, *args, **options)
    disabled: list[Callable[..., Any]] = []

    @wraps(fn)
    def call(*given: Any, **named: Any) -> Any:
        if isinstance(module, _Lazy):
            return fn(*given, **named)
        if not disabled:
            disabled.append(module.disable(fn, *args, **options))
        return disabled[0](*given, **named)

    return call


class _Finder(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The module of a package in :data:`UNHURRIED`; other finders find all others."""
        spec = PathFinder.find_spec(name, path, target) if name in UNHURRIED else None
        if spec is not None and spec.loader is not None:
            spec.loader = _Unhurried(spec.loader)
        return spec


def hurry_not() -> None:
    """Load the packages of :data:`UNHURRIED` when they are first used, if they have not been loaded yet."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
