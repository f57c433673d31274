"""Diffusion-classifier (DC) scores: how well each candidate prompt explains the noise.

Sources: Diffusion Classifier (Li et al., arXiv 2303.16203); arXiv 2410.00700, Algorithm 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ..benchmark.models.backbone import Params
from ..benchmark.models.text import Text
from ..benchmark.protocol import Subject, Task
from .adapters.base import Adapter
from .training import Step, Trainer


def errors(target: Tensor, predictions: Tensor) -> Tensor:
    """e_i = mean ‖ε − ε_θ(x_t, c_i)‖² over the latent; (n, k) from ε (n, c, h, w), predictions (n, k, c, h, w).

    In the place of ε is what the model predicts: for a v model, v.
    """
    return (predictions - target[:, None]).square().mean((2, 3, 4))


def logits(errors_: Tensor, temperature: float) -> Tensor:
    """−e / τ with e divided by its mean over the candidates; (n, k)."""
    scale = errors_.mean(dim=1, keepdim=True).detach().clamp_min(torch.finfo(errors_.dtype).tiny)
    return -errors_ / (scale * temperature)


def unit(errors_: Tensor, temperature: float, units: str) -> Tensor:
    """What a loss of scores is multiplied by for each image, (n,): τ ē for the units "loss", 1 for "raw".

    ē is the mean of the errors (n, k) over the candidates, without a gradient. Since ∂H(P_T, P_S)/∂e_i is
    (P_T,i − P_S,i) / (τ ē), the gradient then is that of an error, times a difference of probabilities.
    """
    if units == "raw":
        return torch.ones_like(errors_[:, 0])
    return temperature * errors_.mean(dim=1).detach()


def cross_entropy(teacher: Tensor, student: Tensor) -> Tensor:
    """H(P_T, P_S) of each image, (n,), from logits (n, k) of both."""
    return -(F.softmax(teacher, dim=1) * F.log_softmax(student, dim=1)).sum(1)


def contrast(logits_: Tensor, plain: bool = False) -> Tensor:
    """L_DC = H(y_0, P) − mean_{j≠0} H(y_j, P) of each image, (n,), from logits (n, k); candidate 0 is the learned one.

    Minimised, it raises the score of the learned concept and lowers those of the others (arXiv 2410.00700, figure 3a).
    ``plain`` keeps the first term only. With k = 1 both are zero: nothing is contrasted.
    """
    log_p = F.log_softmax(logits_, dim=1)
    own = -log_p[:, 0]
    return own if plain or logits_.shape[1] == 1 else own + log_p[:, 1:].mean(1)


def known_before(subject: Subject, generic: str = "") -> Subject:
    """c⁰, a concept that the pretrained model can draw: the bare noun of a subject, or ``generic`` for all."""
    return Subject("", generic or subject.noun)


def candidates(
    trainer: Trainer[Adapter], subject: Subject, most: int, draw: torch.Generator, generic: str = ""
) -> list[Subject]:
    """cⁿ first, then c⁰, then earlier concepts drawn at random: ``most`` at most, two at least."""
    earlier = [s for s in trainer.known.values() if s.name != subject.name]
    chosen = torch.randperm(len(earlier), generator=draw)[: max(0, most - 2)]
    return [subject, known_before(subject, generic), *(earlier[k] for k in chosen.tolist())]


def candidate_errors(
    trainer: Trainer[Adapter], task: Task, step: Step, subjects: Sequence[Sequence[Subject]]
) -> Tensor:
    """e_i of each picture of a step under the training prompt of each of its k subjects, (n, k); ONE batched call."""
    text = trainer.backbone.embed([task.prompt.format(trainer.phrase(s)) for own in subjects for s in own])
    return errors(step.target, predict(trainer, step, text, None, each=True))


def predict(trainer: Trainer[Adapter], step: Step, text: Text, params: Params | None, *, each: bool = False) -> Tensor:
    """What is predicted for every candidate in ONE batched call, (n, k, c, h, w).

    ``text`` is that of k candidates that all pictures share, unless ``each`` picture of the step has k of its own.
    """
    n = len(step.noisy)
    k = len(text) // n if each else len(text)
    read = text if each else text[torch.arange(k).repeat(n)]
    out = trainer.backbone.predict(step.noisy.repeat_interleave(k, 0), step.t.repeat_interleave(k), read, params)
    return out.view(n, k, *step.noisy.shape[1:])
