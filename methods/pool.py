"""Pools of adapter states, as the flat dicts that safetensors can hold."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def flatten(pool: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """A pool of named states as one flat dict with keys ``<name>/<parameter>``."""
    return {f"{name}/{key}": value for name, one in pool.items() for key, value in one.items()}


def unflatten(state: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The inverse of :func:`flatten`; the order of the names is kept."""
    pool: dict[str, dict[str, Tensor]] = {}
    for path, value in state.items():
        name, key = path.split("/", 1)
        pool.setdefault(name, {})[key] = value
    return pool
