"""EWC, elastic weight consolidation, of the adapter (Kirkpatrick et al., 2017; online: Schwarz et al., 2018).

EWC-DC (Jha et al., ICLR 2025, arXiv 2410.00700) has the same penalty; only the loss whose squared gradients make up the
Fisher information differs: it includes diffusion-classifier (DC) scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from ...benchmark.errors import FailedRun
from ...benchmark.protocol import Task, Watch
from ..adapters.base import Weighted
from ..fisher import Example, diagonal, example_gradients
from ..options.ewc import EwcOptions
from ..scores import candidates, contrast, logits, unit
from ..training import Step, Trainer
from .base import Consolidation


def ewc_penalty(
    fisher: Mapping[str, Tensor], present: Mapping[str, Tensor], kept: Mapping[str, Tensor], strength: float
) -> Tensor:
    """(λ/2) Σ_j F_j (θ_j − θ*_j)² over parameters by name."""
    terms = [(f * (present[name] - kept[name]).square()).sum() for name, f in fisher.items()]
    return 0.5 * strength * torch.stack(terms).sum()


class Ewc(Consolidation[Weighted]):
    """Holds the adapter near θ*, the weights after the last task, by the Fisher information of all tasks so far."""

    name = "ewc"
    requires = (Weighted,)
    recalls = True

    def __init__(self, options: EwcOptions) -> None:
        self.options = options
        self.fisher: dict[str, Tensor] = {}
        self.kept: dict[str, Tensor] = {}
        self.tasks = torch.tensor(0.0)

    def penalty(self, trainer: Trainer[Weighted], step: Step) -> Tensor | None:
        """:func:`ewc_penalty`; None in the first task."""
        if not self.fisher:
            return None
        strength = self.options.strength / (self.tasks.item() if self.options.average else 1)
        return ewc_penalty(self.fisher, trainer.adapter.params, self.kept, strength)

    def end(self, trainer: Trainer[Weighted], task: Task, watch: Watch) -> dict[str, float]:
        """F_{1:n} = γ F_{1:n−1} + F_n, with F_n scaled to mean 1 so that λ has a scale; θ* becomes the present θ.

        The number of tasks in the sum is counted in the same way: 1 + γ + γ² + …
        """
        found = example_gradients(trainer, task, self._examples(trainer, task), self.losses, watch, "fisher")
        f = diagonal(example.gradients[0] for example in found)
        if not f.sum() > 0:
            raise FailedRun(
                f"the Fisher information of task {task.number} is zero or not a number; lower the learning rates."
            )
        fresh = _split(f / f.mean(), trainer.adapter.params)
        self.fisher = {n: self.options.decay * self.fisher.get(n, torch.zeros_like(v)) + v for n, v in fresh.items()}
        self.kept = {name: p.detach().clone() for name, p in trainer.adapter.params.items()}
        self.tasks = self.options.decay * self.tasks + 1
        return {"ewc.fisher_mean": f.mean().item()}

    def _examples(self, trainer: Trainer[Weighted], task: Task) -> Iterator[Example]:
        """Every picture ``passes`` times; candidates are drawn again for each example."""
        o, draw = self.options, torch.Generator().manual_seed(task.seed + 4)
        for step in trainer.examples(task, o.passes):
            scored = candidates(trainer, task.subject, o.candidates, draw, o.generic) if o.score_weight else None
            yield step, scored or [task.subject]

    def losses(self, e: Tensor) -> tuple[Tensor]:
        """L_FIM = L_denoise, plus w_DC L_DC where w_DC is not zero, (n,), from errors (n, k)."""
        o = self.options
        if not o.score_weight:
            return (e[:, 0],)
        scores = unit(e, o.temperature, o.units) * contrast(logits(e, o.temperature), o.plain)
        return (e[:, 0] + o.score_weight * scores,)

    def state(self) -> dict[str, Tensor]:
        """F, θ* and the number of tasks."""
        own = {f"fisher/{k}": v for k, v in self.fisher.items()} | {f"kept/{k}": v for k, v in self.kept.items()}
        return own | {"tasks": self.tasks}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Load them."""
        self.fisher, self.kept = _under(state, "fisher/"), _under(state, "kept/")
        self.tasks = state["tasks"].cpu()


def _under(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _split(flat: Tensor, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A flat vector (p,) as tensors of the shapes of ``like``, on their devices."""
    pieces = torch.split(flat, [p.numel() for p in like.values()])
    return {name: piece.view_as(p).to(p.device) for (name, p), piece in zip(like.items(), pieces, strict=True)}
