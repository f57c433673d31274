"""Weights of the models: put in the place of a module's own for one call, shared by copies, and hashed."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from itertools import chain
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

Params = Mapping[str, Tensor]
M = TypeVar("M", bound=nn.Module)


def call_with(module: nn.Module, prefix: str, params: Params | None, *args: Any, **options: Any) -> Any:
    """Call a module; entries of ``params`` that start with ``prefix`` replace its parameters."""
    if params is None:
        return module(*args, **options)
    if torch.is_grad_enabled():
        raise RuntimeError(
            "params replace weights only under torch.no_grad(): with activation checkpointing, gradients through them "
            "would be wrong without an error; wrap the call in torch.no_grad()."
        )
    own = {k.removeprefix(prefix): v for k, v in params.items() if k.startswith(prefix)}
    return functional_call(module, own, args, options)


def sharing_copy(module: M) -> M:
    """A copy of a module whose parameters and buffers are the same tensors: it takes next to no memory.

    Layers of the copy may be replaced and get other parameters; the tensors themselves must not be changed.
    """
    tensors = chain(module.parameters(), module.buffers())
    return copy.deepcopy(module, {id(tensor): tensor for tensor in tensors})


def store_matrices(module: nn.Module, dtype: torch.dtype) -> None:
    """Keep the frozen matrices of linear and convolutional layers in fewer bits.

    Mixed precision computes with them in these bits in any case: no result changes, and they take half the memory.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d) and not layer.weight.requires_grad:
            layer.weight = nn.Parameter(layer.weight.detach().to(dtype), requires_grad=False)


def hash_weights(modules: Mapping[str, nn.Module]) -> str:
    """A short SHA-256 (16 hexadecimal digits) of all parameters and buffers: names, shapes, dtypes and bytes."""
    h = hashlib.sha256()
    for part in sorted(modules):
        for name, tensor in sorted(modules[part].state_dict().items()):
            h.update(f"{part}.{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            h.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return h.hexdigest()[:16]
