"""What a training step consists of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Step:
    """One training step: latents z and the target (ε or v), both (n, c, h, w), t (n,), x_t, and the prompts (n).

    ``weights``: of the pictures in the denoising loss, (n,); all 1 where there are none. ``prior``: a step of as many
    pictures of the class, which is to stay what it was.
    """

    latents: Tensor
    target: Tensor
    t: Tensor
    noisy: Tensor
    prompts: Sequence[str]
    weights: Tensor | None = None
    prior: Step | None = None

    def __getitem__(self, rows: slice) -> Step:
        """Some of its pictures."""
        latents, target, t, noisy = (own[rows] for own in (self.latents, self.target, self.t, self.noisy))
        weights = None if self.weights is None else self.weights[rows]
        prior = None if self.prior is None else self.prior[rows]
        return Step(latents, target, t, noisy, self.prompts[rows], weights, prior)

    def error(self, prediction: Tensor) -> Tensor:
        """The mean squared error of what was predicted for its noisy latents, (n, c, h, w), with its weights."""
        errors = (prediction - self.target).square()
        return errors.mean() if self.weights is None else (self.weights * errors.mean((1, 2, 3))).mean()
