"""Keys and values of the prompts, computed once per draw: prompts and weights are the same at all steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

_LIBRARIES = ("torch", "diffusers", "peft", __package__.partition(".")[0])
_PURE = frozenset(
    {
        "torch.nn.modules.linear.Linear",
        "torch.nn.modules.linear.Identity",
        "torch.nn.modules.container.ModuleDict",
        "torch.nn.modules.container.ParameterDict",
        "peft.tuners._buffer_dict.BufferDict",
        "peft.tuners.lora.layer.Linear",
        "peft.tuners.vera.layer.Linear",
    }
)
"""Modules whose output depends on their input and parameters alone: no dropout, and nothing that is counted."""


@contextmanager
def text_keys_once(unet: nn.Module, states: Tensor) -> Iterator[None]:
    """Within, ``attn2.to_k`` and ``attn2.to_v`` compute once what they make of ``states`` (n, length, width).

    Weights must not change within. A hook, or a module of another package, could change what a layer computes from step
    to step: where there is one in the network, nothing is reused. Every other input is computed as ever.
    """
    layers = [] if any(map(_foreign, unet.modules())) else [m for n, m in unet.named_modules() if _reusable(n, m)]
    try:
        for layer in layers:
            layer.forward = _once(layer.forward, states)
        yield
    finally:
        for layer in layers:
            vars(layer).pop("forward", None)  # that of the class holds again


def _once(forward: Callable[..., Tensor], states: Tensor) -> Callable[..., Tensor]:
    """The same function, which keeps its output for ``states``."""
    found: list[Tensor] = []

    def once(x: Tensor, *args: Any, **options: Any) -> Tensor:
        if x is not states or args or options:
            return forward(x, *args, **options)
        if not found:
            found.append(forward(x))
        return found[0]

    return once


def _reusable(name: str, module: nn.Module) -> bool:
    """Whether a module makes keys or values of the prompt, and is made of nothing but :data:`_PURE` modules."""
    return name.endswith(("attn2.to_k", "attn2.to_v")) and all(_class(m) in _PURE for m in module.modules())


def _foreign(module: nn.Module) -> bool:
    """Whether a module runs code that is not of the libraries: a hook, its class, its attention, or its ``forward``."""
    parts = (module, vars(module).get("processor", module))
    hooks = module._forward_hooks or module._forward_pre_hooks
    return bool(hooks) or "forward" in vars(module) or any(_class(p).partition(".")[0] not in _LIBRARIES for p in parts)


def _class(thing: Any) -> str:
    return f"{type(thing).__module__}.{type(thing).__qualname__}"
