"""Whose code is called, and where in it an error was raised: for messages about methods and metrics."""

from __future__ import annotations

import inspect
import textwrap
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from .errors import Busy, CpbenchError, Faulty, Lost

OWN = "cpbench"
_LONGEST = 300  # characters of an error's own text in a message; the file with the traceback has all of it


@dataclass(frozen=True)
class Owner:
    """A method or a metric (``kind``), its package with version, and the top-level module of its code."""

    kind: str
    name: str
    package: str = OWN
    module: str = OWN

    def called(self, call: str) -> str:
        """The owner with one of its calls: ``learn of method 'anchor' (cpbench-anchor 1.0)``; without one, itself."""
        return f"{call} of {self}" if call else str(self)

    def __str__(self) -> str:
        """As in messages: ``method 'anchor' (cpbench-anchor 1.0)``."""
        return f"{self.kind} '{self.name}' ({self.package})"

    @property
    def roots(self) -> tuple[Path, ...]:
        """The Python files of the package that pip knows; none for an editable one, which its module reveals."""
        try:
            files = distribution(self.package.partition(" ")[0]).files or ()
        except (PackageNotFoundError, ValueError):
            return ()
        return tuple(Path(str(f.locate())).resolve() for f in files if f.suffix == ".py")


def owner_of(name: str, options: Mapping[str, Any]) -> Owner:
    """The owner of a method by the options that are recorded with it (:class:`..plan.units.Choice`)."""
    factory = options.get("factory")
    if not isinstance(factory, str):
        return Owner("method", name)
    return Owner("method", name, str(options.get("package", factory)), top_level(factory))


def top_level(address: str) -> str:
    """The top-level module of ``package.module:object``."""
    return address.partition(":")[0].partition(".")[0]


@contextmanager
def calling(owner: Owner, call: str) -> Iterator[None]:
    """Turn what is raised inside, while ``call`` of the owner's code runs, into Faulty with file and line.

    The errors of cpbench pass where the code is its own, and so do those of the store.
    """
    try:
        yield
    except (Faulty, Busy, Lost):
        raise
    except (Exception, SystemExit) as error:  # another package's code may raise anything, or try to end the process
        if isinstance(error, CpbenchError) and owner.module == OWN:
            raise
        raise Faulty(f"{summary(error)}, raised in {owner.called(call)} at {raised_at(error, owner)}") from error


def refused(owner: Owner, call: str, function: Any, wrong: str, asked: str) -> Faulty:
    """The error for a call that did something ``wrong``, e.g. ``returned None``; ``asked``: what the contract asks."""
    where = f" at {place}" if (place := defined_at(function)) else ""
    return Faulty(f"{owner.called(call)}{where} {wrong}; it must {asked}")


def summary(error: BaseException) -> str:
    """An error in one line: its type, unless it is one of cpbench, and its text, shortened if it is long."""
    try:
        text = textwrap.shorten(str(error), _LONGEST, placeholder=" …")
    except Exception:  # an exception of another package may not even have a text
        text = "(without a text)"
    kind = "" if isinstance(error, CpbenchError) else type(error).__name__
    return ": ".join(part for part in (kind, text.rstrip(".")) if part)


def raised_at(error: BaseException, owner: Owner) -> str:
    """File and line of the innermost frame in the owner's code, or of the innermost one if none is there."""
    frames = list(traceback.walk_tb(error.__traceback__))
    own = [f for f in frames if top_level(str(f[0].f_globals.get("__name__", ""))) == owner.module]
    if not own and (files := owner.roots):
        own = [f for f in frames if Path(f[0].f_code.co_filename).resolve() in files]
    if not frames:
        return "an unknown place"
    frame, line = (own or frames)[-1]
    return _place(frame.f_code.co_filename, line)


def defined_at(function: Callable[..., Any]) -> str:
    """File and line where a function is defined; empty for one that is not written in Python."""
    plain = inspect.unwrap(getattr(function, "func", function))
    code = getattr(plain, "__code__", None) or getattr(getattr(plain, "__init__", None), "__code__", None)
    return _place(code.co_filename, code.co_firstlineno) if code else ""


def _place(file: str, line: int) -> str:
    return f"{file}, line {line}"
