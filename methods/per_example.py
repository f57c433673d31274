"""Gradients of the single examples of a batch, from one forward and one backward pass over all of them.

An example reaches a trained weight only through the calls of the module that uses it. So the backward pass ends at the
outputs of those calls; each call is then repeated for the rows of one example alone, and the gradient of its output
goes back to the weights. For a linear map this is Goodfellow's product (arXiv 1510.01799), but any module will do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks


@dataclass(frozen=True)
class Call:
    """One call of a module in a pass over a batch: what it was given, and what it returned."""

    module: nn.Module
    args: Sequence[Any]
    kwargs: dict[str, Any]
    output: Any

    def fits(self, rows: int) -> bool:
        """Whether the output has a gradient and one entry per row of the batch."""
        return isinstance(self.output, Tensor) and self.output.requires_grad and self.output.shape[:1] == (rows,)

    def again(self, rows: slice) -> Tensor:
        """The output for some rows of the batch alone."""

        def cut(value: Any) -> Any:
            own = isinstance(value, Tensor) and value.shape[:1] == self.output.shape[:1]
            return value.detach()[rows] if own else value

        out: Tensor = self.module(*map(cut, self.args), **{name: cut(value) for name, value in self.kwargs.items()})
        return out


@dataclass(frozen=True)
class Calls:
    """The calls of the modules that use ``params``, see :func:`users`, while :meth:`recorded`."""

    modules: Sequence[nn.Module]
    params: Sequence[nn.Parameter]
    made: list[Call] = field(default_factory=list)

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Inside the block, calls are recorded."""
        hooks = [module.register_forward_hook(self._record, with_kwargs=True) for module in self.modules]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _record(self, module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        self.made.append(Call(module, args, kwargs, output))

    def explain(self, rows: int) -> bool:
        """Whether every weight has a module that uses it, each was called, and all calls are of ``rows`` rows."""
        reached = {id(p) for call in self.made for p in call.module.parameters()}
        return all(id(p) in reached for p in self.params) and all(call.fits(rows) for call in self.made)

    def back(self, errors: Tensor) -> list[Tensor]:
        """At the output of each call, the gradient of each of the ``errors`` (rows,) in its own row."""
        return list(torch.autograd.grad(errors.sum(), [call.output for call in self.made]))

    def gradients(self, back: Sequence[Tensor], rows: slice, weights: Sequence[Tensor]) -> list[Tensor]:
        """The gradients (p,) of sums of the errors in some ``rows``, one for each of the ``weights`` (rows,)."""
        again, own = [call.again(rows) for call in self.made], [g[rows] for g in back]
        each = [[g * w.to(g).view(-1, *[1] * (g.ndim - 1)) for g in own] for w in weights]
        return [flat_gradient(again, self.params, given, retain=given is not each[-1]) for given in each]


def users(network: nn.Module, params: Sequence[nn.Parameter]) -> list[nn.Module]:
    """The modules that use ``params``: the innermost ones around each that can be called, and none inside another."""
    wanted = {id(p) for p in params}
    named = network.named_parameters(remove_duplicate=False)
    paths = dict.fromkeys(_called(network, tuple(name.split(".")[:-1])) for name, p in named if id(p) in wanted)
    outer = [path for path in paths if not any(path[:k] in paths for k in range(len(path)))]
    return list(dict.fromkeys(network.get_submodule(".".join(path)) for path in outer))  # one may have several paths


def _called(network: nn.Module, path: tuple[str, ...]) -> tuple[str, ...]:
    """The path of the innermost module around ``path`` that has a forward pass; a list of parameters has none."""
    while path and type(network.get_submodule(".".join(path))).forward is nn.Module.forward:
        path = path[:-1]
    return path


def flat_gradient(
    outputs: Sequence[Tensor], params: Sequence[nn.Parameter], given: Sequence[Tensor] | None, *, retain: bool
) -> Tensor:
    """∂(outputs · given)/∂params, flat (p,), on the CPU."""
    found = torch.autograd.grad(outputs, params, given, retain_graph=retain)
    return torch.cat([g.flatten() for g in found]).cpu()


@contextmanager
def graph_bytes(network: nn.Module) -> Iterator[dict[int, int]]:
    """Inside the block, the bytes that are kept for a backward pass are added to the dict, without the weights."""
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    kept: dict[int, int] = {}

    def pack(saved: Tensor) -> Tensor:
        storage = saved.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return saved.detach()  # the tensor itself would hold its own graph

    with saved_tensors_hooks(pack, lambda saved: saved):
        yield kept
