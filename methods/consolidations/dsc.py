"""DSC, diffusion scores consolidation (Jha et al., ICLR 2025, arXiv 2410.00700): distillation in function space.

After task n, a student that starts as LoRA_n learns from two frozen teachers at once: LoRA_n itself, and one
earlier adapter LoRA_j drawn at random at each iteration. Only noisy pictures of the current task are used.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ...benchmark.protocol import Task, Watch
from ..adapters.base import Weighted
from ..options.dsc import DscOptions
from ..scores import cross_entropy, errors, known_before, logits, predict
from ..training import Phase, Step, Trainer
from .base import Consolidation, flatten, unflatten


def dsc_loss(noise: Tensor, first: Tensor, second: Tensor, student: Tensor, options: DscOptions) -> dict[str, Tensor]:
    """Two terms: w_H [H(P_T1, P_S) + H(P_T2, P_S)], and β [‖ε_T1(cⁿ) − ε_S(cⁿ)‖² + ‖ε_T2(c^j) − ε_S(c^j)‖²].

    ``noise`` is (n, c, h, w); the predictions of both teachers and the student are (n, 3, c, h, w) for the
    candidates (c⁰, c^j, cⁿ) in this order.
    """
    p1, p2, ps = (logits(errors(noise, p), options.temperature) for p in (first, second, student))
    scores = cross_entropy(p1, ps) + cross_entropy(p2, ps)
    distance = (first[:, 2] - student[:, 2]).square().mean() + (second[:, 1] - student[:, 1]).square().mean()
    return {"scores": options.score_weight * scores, "noise": options.noise_weight * distance}


class Dsc(Consolidation[Weighted]):
    """Keeps the adapter of every earlier task (its storage grows with n) and distils from them."""

    name = "dsc"
    requires = (Weighted,)
    recalls = True
    grows = True

    def __init__(self, options: DscOptions) -> None:
        self.options = options
        self.pool: dict[str, dict[str, Tensor]] = {}

    def end(self, trainer: Trainer[Weighted], task: Task, watch: Watch) -> dict[str, float]:
        """Distil, unless this is the first task; then the student joins the pool."""
        figures = self.distil(trainer, task, watch) if self.pool else {}
        self.pool[task.subject.name] = trainer.adapter.state()
        return figures

    def distil(self, trainer: Trainer[Weighted], task: Task, watch: Watch) -> dict[str, float]:
        """Train the adapter to keep its own scores and noise, and those of earlier adapters."""
        current = trainer.adapter.state()
        earlier = [name for name in trainer.known if name in self.pool]
        draw = torch.Generator().manual_seed(task.seed + 1)

        def objective(step: Step) -> dict[str, Tensor]:
            j = earlier[int(torch.randint(len(earlier), (), generator=draw))]
            candidates = (known_before(task.subject, self.options.generic), trainer.known[j], task.subject)
            with torch.no_grad():
                text = trainer.backbone.embed([task.prompt.format(trainer.phrase(c)) for c in candidates])
                first = predict(trainer, step, text, current)
                second = predict(trainer, step, text, self.pool[j])
            student = predict(trainer, step, text, None)
            return dsc_loss(step.noise, first, second, student, self.options) | trainer.penalties(step)

        o = self.options
        groups = [{"params": list(trainer.adapter.params.values()), "lr": o.rate}]
        phase = Phase("dsc", objective, groups, o.iterations, o.batch, streams=(draw,))
        return trainer.optimise(task, phase, watch)

    def state(self) -> dict[str, Tensor]:
        """The pool, as ``<concept>/<parameter>``."""
        return flatten(self.pool)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Load the pool."""
        self.pool = unflatten(state)
