"""A method as it was after some task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ...errors import FailedRun
from ...models.backbone import Backbone
from ...protocol import Method, sharing
from ...storage.store import Store

Make = Callable[[Any, int], Method] | None


def method_of(make: Make, seed: int, state: str | None, backbone: Backbone, store: Store) -> Method:
    """A new method object, loaded from a stored state if one is given."""
    assert make is not None
    method = make(own_copy(make, backbone), seed)
    if state is not None:
        method.load(store.read(state) / "state")
    return method


def own_copy(make: Make, backbone: Backbone) -> Backbone:
    """The copy of a model that a method is made in: see :func:`...protocol.shares_weights`."""
    return backbone.shared() if make is not None and sharing(make) else backbone.copy()


@dataclass
class Loaded:
    """Methods of stored states; the last one is kept, since several units after one another use the same state.

    This needs that a method draws and explains without changing, which ``cpbench conformance`` checks.
    """

    backbone: Backbone
    store: Store
    last: tuple[str, Method] | None = None

    @contextmanager
    def method(self, make: Make, state: str) -> Iterator[Method]:
        """The method of a state for a block; if the block fails, it is not used again."""
        if self.last is None or self.last[0] != state:
            self.drop()  # before another is made: memory has room for one copy of the model
            self.last = state, self._made(make, state)
        found = self.last[1]
        self.drop()
        yield found
        self.last = state, found

    def _made(self, make: Make, state: str) -> Method:
        method, strength = method_of(make, 0, state, self.backbone, self.store), self.backbone.sampling.strength
        if strength != 1 and not getattr(method, "scales", False):
            raise FailedRun(f"it cannot draw with {strength:g} times its change; choose the strength 1.")
        return method

    def drop(self) -> None:
        """Release the memory of the last method."""
        self.last = None
