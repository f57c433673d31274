"""The empirical Fisher information, from per-example gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import torch
from torch import Tensor, nn

from ..benchmark.protocol import Subject, Task, Tick, Watch
from .adapters.base import Adapter
from .loop import Room
from .per_example import Calls, flat_gradient, graph_bytes, users
from .scores import candidate_errors
from .training import Step, Trainer, gathered

_BYTES = 64 * 2**20

Example = tuple[Step, Sequence[Subject]]
"""A step of one picture, and the candidates whose prompts are to explain its noise."""
Losses = Callable[[Tensor], Sequence[Tensor]]
"""Losses (n,) of n examples, from their errors under k candidates (n, k); they may share a graph."""


@dataclass(frozen=True)
class Found:
    """Of one example: its errors (k,), its first loss, and the gradient (p,) of each loss on the CPU.

    Without parameters there are no gradients.
    """

    errors: Tensor
    loss: float
    gradients: Sequence[Tensor]


def example_gradients(
    trainer: Trainer[Adapter], task: Task, examples: Iterable[Example], losses: Losses, watch: Watch, phase: str
) -> Iterator[Found]:
    """∂L/∂θ of each loss for each example in turn; no more than one is in memory.

    All examples have equally many candidates. Several go through the network at once: as many pictures as in a training
    step, or as their graph fits into 64 MiB. Where a network does not treat the pictures of a batch alike, or uses a
    weight in a way that is not seen, they go one by one: the first example is computed in both ways.
    """
    each = list(examples)
    most = len(each[0][1]) if each else 1
    room = Room(trainer.backbone, min(most, trainer.backbone.engine.micro_batch or most))
    with trainer.backbone.keep_texts():
        for k, found in enumerate(_Passes(trainer, task, losses, room).over(each), 1):
            watch(Tick(phase, k, len(each), found.loss))
            yield found


@dataclass(frozen=True)
class _Passes:
    """Passes over examples, alone or together; ``room``: how many candidates of one go through the network at once."""

    trainer: Trainer[Adapter]
    task: Task
    losses: Losses
    room: Room

    def over(self, each: Sequence[Example]) -> Iterator[Found]:
        """What is found of each example in turn."""
        with graph_bytes(self.trainer.backbone.network) as kept:
            first = self.alone(each[0])
        size = max(1, self.task.batch // len(first.errors), _BYTES // max(1, sum(kept.values())))
        begun = self._begun(first, each[:size]) if first.gradients and size > 1 and len(each) > 1 else None
        if begun is None:
            yield first
            yield from map(self.alone, each[1:])
        else:
            yield from begun
            for k in range(size, len(each), size):
                yield from self.together(each[k : k + size])

    def _begun(self, first: Found, examples: Sequence[Example]) -> Iterator[Found] | None:
        """What is found of the first examples together; None if the first one is not found as it is alone."""
        found, near = self.together(examples), torch.finfo(self.trainer.backbone.dtype).eps ** 0.5
        try:
            again = next(found)
        except Exception:  # modules of other packages may refuse part of a batch in any way
            return None
        pairs = zip(again.gradients, first.gradients, strict=True)
        return chain([first], found) if all((a - b).norm() <= near * b.norm() for a, b in pairs) else None

    def alone(self, example: Example) -> Found:
        """One backward pass per loss; in parts, after there was not enough memory."""
        while True:
            try:
                whole = self.room.size >= len(example[1])
                return self._whole(example) if whole else self._in_parts(example)
            except torch.OutOfMemoryError as error:
                short = error.with_traceback(None)  # it holds the tensors of the pass
            if not self.room.make():
                raise short

    def _in_parts(self, example: Example) -> Found:
        """Σ_i ∂L/∂e_i · ∂e_i/∂θ some candidates after others: in the memory of these, for one more forward pass."""
        (step, subjects), n, params = example, self.room.size, self._params
        parts = [(step, subjects[k : k + n]) for k in range(0, len(subjects), n)]
        with torch.no_grad():
            values = torch.cat([self._errors([part]) for part in parts], 1)
        each = self.losses(values.requires_grad_())
        weights = [torch.autograd.grad(x.sum(), values, retain_graph=x is not each[-1])[0][0] for x in each]
        rows: list[Tensor] = []
        for k, part in enumerate(parts if params else []):
            errors = self._errors([part])[0]
            some = [w[k * n : (k + 1) * n] for w in weights]
            own = [flat_gradient([errors @ w], params, None, retain=w is not some[-1]) for w in some]
            rows = [row + g for row, g in zip(rows, own, strict=True)] if rows else own
        return Found(values[0].detach().cpu(), each[0].item(), rows)

    def _whole(self, example: Example) -> Found:
        errors, params = self._errors([example]), self._params
        each = self.losses(errors)
        rows = [flat_gradient([x.sum()], params, None, retain=x is not each[-1]) for x in each] if params else []
        return Found(errors[0].detach().cpu(), each[0].item(), rows)

    def together(self, examples: Sequence[Example]) -> Iterator[Found]:
        """One backward pass for all losses and examples: each error has rows of its own, and losses are made of errors.

        Raises RuntimeError where the calls of modules do not explain the gradients.
        """
        calls = Calls(self._users, self._params)
        with calls.recorded():
            errors = self._errors(examples[::-1])  # the first example last: what is made for first rows would fit it
        if not calls.explain(errors.numel()):
            raise RuntimeError("the calls that use the adapter's weights do not explain its gradients")
        back, values, k = calls.back(errors), errors.detach().requires_grad_(), errors.shape[1]
        each = self.losses(values)
        weights = [torch.autograd.grad(x.sum(), values, retain_graph=x is not each[-1])[0] for x in each]
        for n in reversed(range(len(examples))):
            with self.trainer.backbone.autocast():
                rows = calls.gradients(back, slice(n * k, (n + 1) * k), [w[n] for w in weights])
            yield Found(errors[n].detach().cpu(), each[0][n].item(), rows)

    def _errors(self, examples: Sequence[Example]) -> Tensor:
        steps, subjects = zip(*examples, strict=True)
        return candidate_errors(self.trainer, self.task, gathered(steps), subjects)

    @cached_property
    def _params(self) -> list[nn.Parameter]:
        return list(self.trainer.adapter.params.values())

    @cached_property
    def _users(self) -> list[nn.Module]:
        return users(self.trainer.backbone.network, self._params)


def diagonal(gradients: Iterable[Tensor]) -> Tensor:
    """F = E[(∂L/∂θ)²], (p,), from per-example gradients (p,): squared before the mean, never after."""
    n, total = 0, torch.zeros(())
    for g in gradients:
        n += 1
        total = total + g.square()
    return total / n


def top_eigenvalues(gram: Tensor, k: int) -> Tensor:
    """The k largest eigenvalues (fewer where n < k) of the empirical Fisher GᵀG/n, from the Gram matrix GGᵀ (n, n)."""
    values: Tensor = torch.linalg.eigvalsh(gram / len(gram))
    return values.flip(0)[:k]


def spectrum(gram: Tensor, name: str) -> dict[str, float]:
    """Trace and five largest eigenvalues of the empirical Fisher, as ``<name>.trace``, ``<name>.1`` to ``<name>.5``."""
    top = {f"{name}.{k}": v for k, v in enumerate(top_eigenvalues(gram, 5).tolist(), 1)}
    return {f"{name}.trace": gram.trace().item() / len(gram), **top}
