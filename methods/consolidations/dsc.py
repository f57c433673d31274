"""DSC, diffusion scores consolidation (Jha et al., ICLR 2025, arXiv 2410.00700): distillation in function space.

After task n, a student that starts as LoRA_n learns from two frozen teachers at once: LoRA_n itself, and one
earlier adapter LoRA_j drawn at random at each iteration. Only noisy pictures of the current task are used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ...benchmark.models.text import Text
from ...benchmark.protocol import Subject, Task, Watch
from ..adapters.base import Weighted
from ..options.dsc import DscOptions
from ..scores import cross_entropy, errors, known_before, logits, predict, unit
from ..training import Phase, Step, Trainer
from .base import Consolidation, flatten, noise_distance, unflatten

EARLIER, CURRENT = 0, 1
"""The places of c^j and cⁿ among the candidates (c^j, cⁿ, c⁰, …)."""


def noise_distances(first: Tensor, second: Tensor, student: Tensor) -> Tensor:
    """‖ε_T1(cⁿ) − ε_S(cⁿ)‖² + ‖ε_T2(c^j) − ε_S(c^j)‖², means over entries, from predictions (n, k, c, h, w).

    The first two candidates are c^j and cⁿ.
    """
    current, earlier = (noise_distance(t[:, c], student[:, c]) for t, c in ((first, CURRENT), (second, EARLIER)))
    return current + earlier


def score_distance(target: Tensor, first: Tensor, second: Tensor, student: Tensor, options: DscOptions) -> Tensor:
    """H(P_T1, P_S) + H(P_T2, P_S), mean over images, in the units of the options.

    ``target`` is (n, c, h, w); the predictions of both teachers and the student are (n, k, c, h, w). The second
    candidate is cⁿ: where the option ``teachers`` is "gated", H(P_T2, P_S) is zero for images of which T2 thinks that
    cⁿ is the least likely candidate.

    In units of the loss, each image is multiplied by τ² ē: by τ ē as all scores (:func:`..scores.unit`), and by τ once
    more, as both distributions are soft. They become uniform as τ grows, and their difference falls as 1 / τ: hence
    the factor τ² of distillation (Hinton et al., arXiv 1503.02531).
    """
    e1, e2, es = (errors(target, p) for p in (first, second, student))
    p1, p2, ps = (logits(e, options.temperature) for e in (e1, e2, es))
    distance = cross_entropy(p1, ps)
    if options.teachers != "first":
        heard = 1.0 if options.teachers == "both" else (e2.argmax(1) != CURRENT).to(e2)
        distance = distance + heard * cross_entropy(p2, ps)
    softness = options.temperature if options.units == "loss" else 1.0
    return (softness * unit(es, options.temperature, options.units) * distance).mean()


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
        """Train the adapter to keep its own noise and scores, and those of earlier adapters.

        Without a weight on the scores, c^j and cⁿ are the only candidates, and each teacher answers for its own.
        """
        o, current = self.options, trainer.adapter.state()
        earlier = [name for name in trainer.known if name in self.pool]
        draw = torch.Generator().manual_seed(task.seed + 1)

        def objective(step: Step) -> dict[str, Tensor]:
            j, *others = self._drawn(earlier, draw)
            own = [trainer.known[j], task.subject]
            if o.score_weight:
                own += [known_before(task.subject, o.generic), *(trainer.known[name] for name in others)]
            with torch.no_grad():
                text, foreign = self._texts(trainer, task, own, earlier[: earlier.index(j) + 1])
                if o.score_weight:
                    first = predict(trainer, step, text, current)
                    second = predict(trainer, step, foreign, self.pool[j])
                else:
                    first = second = torch.cat(
                        [predict(trainer, step, foreign[:1], self.pool[j]), predict(trainer, step, text[1:], current)],
                        1,
                    )
            student = predict(trainer, step, text, None)
            terms = {"noise": o.noise_weight * noise_distances(first, second, student)}
            if o.score_weight:
                terms["scores"] = o.score_weight * score_distance(step.target, first, second, student, o)
            return terms | trainer.penalties(step)

        groups = [{"params": list(trainer.adapter.params.values()), "lr": o.rate}]
        phase = Phase("dsc", objective, groups, o.iterations, o.batch, streams=(draw,), timesteps=o.timesteps)
        return trainer.optimise(task, phase, watch)

    def _drawn(self, earlier: Sequence[str], draw: torch.Generator) -> list[str]:
        """c^j, and earlier concepts for the other places of the candidates."""
        j = int(torch.randint(len(earlier), (), generator=draw))
        others = [name for k, name in enumerate(earlier) if k != j]
        if (places := self.options.candidates - 3) and others:
            others = [others[k] for k in torch.randperm(len(others), generator=draw)[:places].tolist()]
        return [earlier[j], *others[:places]]

    def _texts(
        self, trainer: Trainer[Weighted], task: Task, candidates: Sequence[Subject], learned: Sequence[str]
    ) -> tuple[Text, Text]:
        """The k candidates as all read them, and as an adapter does that has ``learned`` some."""
        phrases = [trainer.phrase(c) for c in candidates]
        own = [
            c.noun if self.options.reads == "own" and c.name not in learned else trainer.phrase(c) for c in candidates
        ]
        text = trainer.backbone.embed([task.prompt.format(phrase) for phrase in (*phrases, *own)])
        return text[: len(phrases)], text[len(phrases) :]

    def state(self) -> dict[str, Tensor]:
        """The pool, as ``<concept>/<parameter>``."""
        return flatten(self.pool)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Load the pool."""
        self.pool = unflatten(state)
