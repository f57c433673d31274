"""Float64 where libraries compute in float32: random numbers, the sines of timesteps, and the noise schedule.

AdamW divides a gradient by its own size, so where a gradient is nearly zero, the last bits of float32 decide the sign
of an update. They differ between processors; those of float64 do so too, but a billion times less.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class Times(nn.Module):
    """Sines and cosines of timesteps, as the module ``usual`` of diffusers defines them."""

    def __init__(self, usual: Any) -> None:
        super().__init__()
        self.width, self.scale = usual.num_channels, usual.scale
        self.cosines_first, self.shift = usual.flip_sin_to_cos, usual.downscale_freq_shift

    def forward(self, t: Tensor) -> Tensor:
        """(n, width) of timesteps (n,)."""
        half = self.width // 2
        exponents = torch.arange(half, dtype=torch.float64) / (half - self.shift)
        angles = self.scale * t[:, None].double() * torch.exp(-math.log(10000) * exponents)
        waves = [angles.sin(), angles.cos()]
        return torch.cat(waves[::-1] if self.cosines_first else waves, -1)


def exact_schedule(scheduler: Any) -> None:
    """Compute ᾱ_t of a scheduler again from its own settings; it must be of the kind of Stable Diffusion."""
    config = scheduler.config
    assert config.beta_schedule == "scaled_linear"
    low, high, n = math.sqrt(config.beta_start), math.sqrt(config.beta_end), config.num_train_timesteps
    betas = (low + (high - low) * torch.arange(n, dtype=torch.float64) / (n - 1)).square()
    scheduler.alphas_cumprod = (1 - betas).cumprod(0)


@contextmanager
def exact_noise() -> Iterator[None]:
    """Inside the block, torch draws numbers of a generator from uniform ones in float64, by Box and Muller's formula.

    They are not those of a real run, but depend on the generator alone in the same way.
    """
    normal, uniform = torch.randn, Tensor.uniform_

    def randn(*size: Any, generator: torch.Generator | None = None, **more: Any) -> Tensor:
        if generator is None:
            return normal(*size, **more)
        shape = torch.Size(size[0] if len(size) == 1 and not isinstance(size[0], int) else size)
        u = torch.rand((2, *shape), generator=generator, dtype=torch.float64)
        drawn = (-2 * torch.log1p(-u[0])).sqrt() * torch.cos(2 * math.pi * u[1])
        return drawn.to(more.get("dtype") or torch.float64)

    def uniform_(self: Tensor, low: float = 0, high: float = 1, *, generator: torch.Generator | None = None) -> Tensor:
        if generator is None:
            return uniform(self, low, high)
        u = torch.rand(self.shape, generator=generator, dtype=torch.float64)
        with torch.no_grad():
            return self.copy_(low + (high - low) * u)

    torch.randn, Tensor.uniform_ = randn, uniform_  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        torch.randn, Tensor.uniform_ = normal, uniform  # type: ignore[method-assign]
