"""The memory that a model takes, without its weights and without computing: tensors are imagined.

PyTorch's fake tensors have shapes and types and no content, so that a pass over a model of any size takes seconds and
next to no memory. What is counted are the tensors that are alive at once.
"""

from __future__ import annotations

import math
import re
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from .backbone import Backbone


class Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of tensors made inside the block, and the most that were alive at once: ``peak``."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.sizes: dict[int, int] = {}
        self.now = self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, and count what it returns."""
        found = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(found):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return found

    def _count(self, storage: Any) -> None:
        key = storage._cdata
        if key not in self.sizes:
            self.sizes[key] = storage.nbytes()
            self.now += self.sizes[key]
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self.now -= self.sizes.pop(key, 0)


_PICTURES = (1, 2, 8)
"""How many pictures passes are imagined with: for few of them the text encoder takes the most, then the network."""


@dataclass(frozen=True)
class Growth:
    """Bytes by the number of pictures: those of :data:`_PICTURES`, and straight lines between and after them."""

    counted: tuple[int, ...]

    @property
    def each(self) -> float:
        """What one picture more takes where there are many."""
        return (self.counted[-1] - self.counted[-2]) / (_PICTURES[-1] - _PICTURES[-2])

    def __call__(self, n: int) -> int:
        """The bytes for n pictures."""
        if n > _PICTURES[-1]:
            return round(self.counted[-1] + (n - _PICTURES[-1]) * self.each)
        return round(float(np.interp(n, _PICTURES, self.counted)))


@dataclass(frozen=True)
class Footprint:
    """The memory of a model: ``weights`` in bytes, and what passes take beside them.

    ``keeping``: predictions whose gradients are wanted; ``again``: the same, where the network computes again in the
    backward pass what it would keep. ``drawing``: predictions alone. ``encoding``, ``decoding``: the autoencoder, for
    one picture. ``kv``: the entries of the layers that make keys and values of the text; ``sides``: Σ (in + out) over
    these layers, which is what rank 1 of LoRA trains.
    """

    weights: int
    keeping: Growth
    again: Growth
    drawing: Growth
    encoding: int
    decoding: int
    kv: int
    sides: int


def footprint(model: Backbone, mode: FakeTensorMode) -> Footprint:
    """The footprint of a model whose tensors are imagined in ``mode``.

    The model is used up: from then on it computes again in backward passes.
    """
    layers = [m for name, m in model.network.named_modules() if re.fullmatch(model.layers["kv"], name)]
    weights = sum(t.untyped_storage().nbytes() for m in (*model.modules.values(), model.vae) for t in _tensors(m))
    drawing = _growth(model, mode, gradients=False)
    for layer in layers:
        layer.weight.requires_grad_(True)
    keeping = _growth(model, mode, gradients=True)
    model.checkpoint()
    again = _growth(model, mode, gradients=True)
    kv, sides = (sum(of(layer.weight.shape) for layer in layers) for of in (math.prod, sum))
    return Footprint(weights, keeping, again, drawing, *_coding(model, mode), kv, sides)


def _tensors(module: Any) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def _growth(model: Backbone, mode: FakeTensorMode, *, gradients: bool) -> Growth:
    return Growth(tuple(_peak(model, mode, n, gradients=gradients) for n in _PICTURES))


def _peak(model: Backbone, mode: FakeTensorMode, n: int, *, gradients: bool) -> int:
    shape = model.initial_noise(0).shape
    with mode, torch.set_grad_enabled(gradients), Alive() as alive:
        z, t = torch.zeros(n, *shape), torch.zeros(n, dtype=torch.long)
        found = model.predict(z, t, ["a photo"] * n)
        if gradients:
            found.square().mean().backward()  # type: ignore[no-untyped-call]
            del found
            for module in model.modules.values():
                module.zero_grad(set_to_none=True)
    return int(alive.peak)


def _coding(model: Backbone, mode: FakeTensorMode) -> tuple[int, int]:
    """The bytes that the autoencoder takes to encode one picture, and to decode one."""
    shape, side = model.initial_noise(0).shape, model.sampling.size
    with mode, torch.no_grad():
        with Alive() as encoding:
            model.vae.encode(torch.zeros(1, 3, side, side))
        with Alive() as decoding:
            model.vae.decode(torch.zeros(1, *shape))
    return int(encoding.peak), int(decoding.peak)
