"""A method as it was after some task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...models.backbone import Backbone
from ...protocol import Method
from ...storage.store import Store


def method_of(
    make: Callable[[Any, int], Method] | None, seed: int, state: str | None, backbone: Backbone, store: Store
) -> Method:
    """A new method object, loaded from a stored state if one is given."""
    assert make is not None
    method = make(backbone.copy(), seed)
    if state is not None:
        method.load(store.read(state) / "state")
    return method
