"""Diffusion-classifier scores: how well each candidate prompt explains the noise.

Sources: Diffusion Classifier (Li et al., arXiv 2303.16203); arXiv 2410.00700, Algorithm 1.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def errors(noise: Tensor, predictions: Tensor) -> Tensor:
    """e_i = mean ‖ε − ε_θ(x_t, c_i)‖² over the latent; (n, k) from noise (n, c, h, w), predictions (n, k, c, h, w)."""
    return (predictions - noise[:, None]).square().mean((2, 3, 4))


def logits(errors_: Tensor, temperature: float) -> Tensor:
    """−e / τ with e divided by its mean over the candidates; (n, k)."""
    scale = errors_.mean(dim=1, keepdim=True).detach().clamp_min(torch.finfo(errors_.dtype).tiny)
    return -errors_ / (scale * temperature)


def cross_entropy(teacher: Tensor, student: Tensor) -> Tensor:
    """H(P_T, P_S) averaged over images, from logits (n, k) of both."""
    return -(F.softmax(teacher, dim=1) * F.log_softmax(student, dim=1)).sum(1).mean()


def contrast(logits_: Tensor, plain: bool = False) -> Tensor:
    """L_DC = H(y_0, P) − mean_{j≠0} H(y_j, P) averaged over images, from logits (n, k); candidate 0 is the learned one.

    Minimised, it raises the score of the learned concept and lowers those of the others (arXiv 2410.00700, figure 3a).
    ``plain`` keeps the first term only. With k = 1 both are zero: nothing is contrasted.
    """
    log_p = F.log_softmax(logits_, dim=1)
    own = -log_p[:, 0].mean()
    return own if plain or logits_.shape[1] == 1 else own + log_p[:, 1:].mean()
