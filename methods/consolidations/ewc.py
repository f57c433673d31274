"""EWC on adapter weights (Kirkpatrick et al., 2017; online: Schwarz et al., 2018), with or without DC scores.

EWC-DC (Jha et al., ICLR 2025, arXiv 2410.00700) is the same penalty: only the loss whose squared gradients make the
Fisher information differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...benchmark.errors import FailedRun
from ...benchmark.protocol import Task, Tick, Watch
from ..fisher import diagonal
from ..scores import candidate_errors, candidates, contrast, logits
from ..training import Step, Trainer
from .base import Consolidation


@dataclass(frozen=True)
class EwcOptions:
    """λ, and γ by which older Fisher information fades; E_F passes over the pictures of a task make a new one.

    The rest is for EWC-DC: w_DC weighs the scores (0: plain EWC) with temperature τ, over at most k ``candidates``;
    ``plain`` takes only the cross-entropy with the learned concept. ``generic``: what c⁰ is called for all concepts,
    e.g. "thing"; the class noun of each where it is empty.
    """

    strength: float = 1e-3
    decay: float = 1.0
    passes: int = 10
    score_weight: float = 0.0
    temperature: float = 0.05
    candidates: int = 5
    plain: bool = False
    generic: str = ""


def ewc_penalty(
    fisher: Mapping[str, Tensor], present: Mapping[str, Tensor], kept: Mapping[str, Tensor], strength: float
) -> Tensor:
    """(λ/2) Σ_j F_j (θ_j − θ*_j)² over parameters by name."""
    terms = [(f * (present[name] - kept[name]).square()).sum() for name, f in fisher.items()]
    return 0.5 * strength * torch.stack(terms).sum()


class Ewc(Consolidation):
    """Holds the adapter near θ*, the weights after the last task, by the Fisher information of all tasks so far."""

    name = "ewc"
    recalls = True

    def __init__(self, options: EwcOptions) -> None:
        self.options = options
        self.fisher: dict[str, Tensor] = {}
        self.kept: dict[str, Tensor] = {}

    def penalty(self, trainer: Trainer, step: Step) -> Tensor | None:
        """:func:`ewc_penalty`; nothing in the first task."""
        if not self.fisher:
            return None
        return ewc_penalty(self.fisher, trainer.adapter.params, self.kept, self.options.strength)

    def end(self, trainer: Trainer, task: Task, watch: Watch) -> dict[str, float]:
        """F_{1:n} = γ F_{1:n−1} + F_n, with F_n scaled to mean 1 so that λ has a scale; θ* becomes the present θ."""
        f = diagonal(torch.stack(list(self._gradients(trainer, task, watch))))
        if not f.sum() > 0:
            raise FailedRun(f"the Fisher information of task {task.number} is zero or not a number; lower the rates.")
        fresh = _split(f / f.mean(), trainer.adapter.params)
        self.fisher = {n: self.options.decay * self.fisher.get(n, torch.zeros_like(v)) + v for n, v in fresh.items()}
        self.kept = {name: p.detach().clone() for name, p in trainer.adapter.params.items()}
        return {"ewc.fisher_mean": f.mean().item()}

    def _gradients(self, trainer: Trainer, task: Task, watch: Watch) -> Iterator[Tensor]:
        """∂L_FIM/∂θ of one picture at one (t, ε) each, (p,) on the CPU, every picture ``passes`` times."""
        params = list(trainer.adapter.params.values())
        draw = torch.Generator().manual_seed(task.seed + 4)
        n = self.options.passes * len(task.pictures)
        for k, step in enumerate(trainer.examples(task, self.options.passes)):
            loss = self._loss(trainer, task, step, draw)
            found = torch.autograd.grad(loss, params)
            watch(Tick("fisher", k + 1, n, loss.item()))
            yield torch.cat([g.detach().flatten() for g in found]).cpu()

    def _loss(self, trainer: Trainer, task: Task, step: Step, draw: torch.Generator) -> Tensor:
        """L_denoise, plus w_DC L_DC where scores are asked for; candidates are drawn anew for each example."""
        o = self.options
        if not o.score_weight:
            return candidate_errors(trainer, task, step, [task.subject]).mean()
        chosen = candidates(trainer, task.subject, o.candidates, draw, o.generic)
        e = candidate_errors(trainer, task, step, chosen)
        return e[:, 0].mean() + o.score_weight * contrast(logits(e, o.temperature), o.plain)

    def state(self) -> dict[str, Tensor]:
        """F and θ*."""
        return {f"fisher/{k}": v for k, v in self.fisher.items()} | {f"kept/{k}": v for k, v in self.kept.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Read both back."""
        self.fisher, self.kept = _under(state, "fisher/"), _under(state, "kept/")


def _under(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _split(flat: Tensor, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A flat vector (p,) as tensors of the shapes of ``like``, where those are."""
    pieces = torch.split(flat, [p.numel() for p in like.values()])
    return {name: piece.view_as(p).to(p.device) for (name, p), piece in zip(like.items(), pieces, strict=True)}
