"""What a training step consists of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Step:
    """One training step: latents z and the target (ε or v), both (n, c, h, w), t (n,), x_t, and the prompts (n)."""

    latents: Tensor
    target: Tensor
    t: Tensor
    noisy: Tensor
    prompts: Sequence[str]

    def __getitem__(self, rows: slice) -> Step:
        """Some of its pictures."""
        return Step(self.latents[rows], self.target[rows], self.t[rows], self.noisy[rows], self.prompts[rows])
