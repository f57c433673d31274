"""A change of weights as a product of two factors, which is how files of LoRA hold it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_EXACT = 1e-7
"""Singular values below this share of the largest are rounding errors of float32."""


@dataclass(frozen=True)
class LowRank:
    """ΔW = (α/r) B A (LoRA, arXiv 2106.09685). ``down``: A, (r, in). ``up``: B, (out, r). ``alpha``: α."""

    down: Tensor
    up: Tensor
    alpha: float

    @property
    def rank(self) -> int:
        """r, the number of rows of A."""
        return len(self.down)

    @property
    def change(self) -> Tensor:
        """ΔW, (out, in)."""
        return self.alpha / self.rank * (self.up @ self.down)


@torch.no_grad()
def low_rank(change: Tensor, most: int | None = None) -> LowRank:
    """The change (out, in) of rank ``most`` or less that is nearest to one, with α = r; on the CPU, in float32.

    Found by its singular values (Eckart and Young, 1936). Without ``most``, r is as large as float32 can tell.
    """
    u, s, v = torch.linalg.svd(change.detach().cpu().double(), full_matrices=False)
    needed = int((s > _EXACT * s[0]).sum())
    r = max(1, min(most or needed, needed))
    root = s[:r].sqrt()
    return LowRank((root[:, None] * v[:r]).float(), (u[:, :r] * root).float(), float(r))
