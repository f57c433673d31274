"""Methods as plans know them: a name, options, a digest of their code, and a factory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..protocol import Method


class Choice(Protocol):
    """A method with its options; ``make`` is None for the base model, which never learns."""

    @property
    def name(self) -> str:
        """Its name in the catalogue or among the plug-ins."""
        ...

    @property
    def options(self) -> Mapping[str, Any]:
        """All options after defaults, as plain data."""
        ...

    @property
    def code(self) -> str:
        """A digest of the code of the method, see :mod:`..sources`; empty for the base model."""
        ...

    @property
    def make(self) -> Callable[[Any, int], Method] | None:
        """The factory: it takes a backbone, which the method may change, and a seed, and returns the method."""
        ...


@dataclass(frozen=True)
class Refitted:
    """A chosen method with another factory, for example one that checks what its methods do."""

    choice: Choice
    make: Callable[[Any, int], Method] | None

    @property
    def name(self) -> str:
        """The name of the method."""
        return self.choice.name

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of the method."""
        return self.choice.options

    @property
    def code(self) -> str:
        """The digest of the code of the method itself."""
        return self.choice.code
