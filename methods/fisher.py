"""The empirical Fisher information, from per-example gradients."""

from __future__ import annotations

import torch
from torch import Tensor


def diagonal(gradients: Tensor) -> Tensor:
    """F = E[(∂L/∂θ)²], (p,), from per-example gradients (n, p): squared before the mean, never after."""
    return gradients.square().mean(0)


def top_eigenvalues(gradients: Tensor, k: int) -> Tensor:
    """The k largest eigenvalues (fewer where n < k) of the empirical Fisher GᵀG/n, by the Gram matrix of G (n, p)."""
    gram = (gradients @ gradients.T).cpu().double() / len(gradients)
    values: Tensor = torch.linalg.eigvalsh(gram)
    return values.flip(0)[:k]


def spectrum(gradients: Tensor, name: str) -> dict[str, float]:
    """Trace and five largest eigenvalues of the empirical Fisher, by ``<name>.trace``, ``<name>.1`` to ``<name>.5``."""
    top = {f"{name}.{k}": v for k, v in enumerate(top_eigenvalues(gradients, 5).tolist(), 1)}
    return {f"{name}.trace": diagonal(gradients).sum().item(), **top}
