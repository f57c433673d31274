"""The empirical Fisher information, from per-example gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ..benchmark.protocol import Task, Tick, Watch
from .adapters.base import Adapter
from .training import Step, Trainer


def example_gradients(
    trainer: Trainer[Adapter],
    task: Task,
    passes: int,
    losses: Callable[[Step], Sequence[Tensor]],
    watch: Watch,
    phase: str,
) -> list[Tensor]:
    """∂L/∂θ of each loss for single pictures at one (t, ε) each: one (n, p) on the CPU per loss, n = passes × pictures.

    ``losses`` maps a step of one picture to the losses, which may share a graph. Without parameters the list is empty.
    """
    params, n = list(trainer.adapter.params.values()), passes * len(task.pictures)
    rows = []
    for k, step in enumerate(trainer.examples(task, passes)):
        each = losses(step)
        if params:
            rows.append([_gradient(loss, params, retain=loss is not each[-1]) for loss in each])
        watch(Tick(phase, k + 1, n, each[0].item()))
    return [torch.stack(found) for found in zip(*rows, strict=True)]


def _gradient(loss: Tensor, params: Sequence[nn.Parameter], *, retain: bool) -> Tensor:
    found = torch.autograd.grad(loss, params, retain_graph=retain)
    return torch.cat([g.flatten() for g in found]).cpu()


def diagonal(gradients: Tensor) -> Tensor:
    """F = E[(∂L/∂θ)²], (p,), from per-example gradients (n, p): squared before the mean, never after."""
    return gradients.square().mean(0)


def top_eigenvalues(gradients: Tensor, k: int) -> Tensor:
    """The k largest eigenvalues (fewer where n < k) of the empirical Fisher GᵀG/n, by the Gram matrix of G (n, p)."""
    gram = (gradients @ gradients.T).cpu().double() / len(gradients)
    values: Tensor = torch.linalg.eigvalsh(gram)
    return values.flip(0)[:k]


def spectrum(gradients: Tensor, name: str) -> dict[str, float]:
    """Trace and five largest eigenvalues of the empirical Fisher, as ``<name>.trace``, ``<name>.1`` to ``<name>.5``."""
    top = {f"{name}.{k}": v for k, v in enumerate(top_eigenvalues(gradients, 5).tolist(), 1)}
    return {f"{name}.trace": diagonal(gradients).sum().item(), **top}
