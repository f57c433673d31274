"""The training loop: how steps are drawn, updates made and checkpoints kept, and what consolidations may use of it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from ..benchmark.errors import FailedRun
from ..benchmark.models.backbone import Backbone
from ..benchmark.protocol import Extras, Pictures, Prompt, Subject, Task, Tick, Watch
from .adapters.base import Adapter
from .balance import EVERY, summary
from .loop import Loop, Room
from .steps import Step as Step

A_co = TypeVar("A_co", bound=Adapter, covariant=True)
Source = tuple[Tensor, Sequence[str]]
"""Latents (k, c, h, w) of one concept, and the prompt of each."""
_PLAIN = Extras()
THIRDS: Mapping[str, tuple[int, int]] = {"all": (0, 3), "low": (0, 1), "middle": (1, 2), "high": (2, 3)}
"""The parts of the noise schedule by name, from and to, in thirds."""


@dataclass(frozen=True)
class Phase:
    """One run of the training loop: what to minimise, the optimiser's groups, how many updates, and the batch.

    ``objective`` returns the terms of the loss by name; their sum is minimised, and each is logged.
    ``rehearsed``: pictures of earlier concepts to draw from beside those of the task, each concept equally often.
    ``keeps_prior``: pictures of the class are learned beside them, where the task has some.
    ``streams``: the generators that the objective draws from; checkpoints save their states. ``timesteps``: the part of
    the noise schedule that t is drawn from, see :data:`THIRDS`.
    """

    name: str
    objective: Callable[[Step], Mapping[str, Tensor]]
    groups: list[dict[str, Any]]
    steps: int
    batch: int
    rehearsed: Sequence[tuple[Pictures, Subject]] = ()
    streams: Sequence[torch.Generator] = ()
    timesteps: str = "all"
    keeps_prior: bool = False


class Trainer(Protocol[A_co]):
    """What a consolidation, the scores and the inspection may use of the learner that they belong to.

    ``known``: the concepts learned so far by name, the present one included.
    """

    backbone: Backbone
    known: dict[str, Subject]

    @property
    def adapter(self) -> A_co:
        """The adapter, with every capability that the consolidation requires."""
        ...

    def optimise(self, task: Task, phase: Phase, watch: Watch) -> dict[str, float]:
        """Run one phase of updates; returns the mean of each term of the loss over the last tenth."""
        ...

    def penalties(self, step: Step) -> dict[str, Tensor]:
        """What all consolidations add to the loss of a step, by their names."""
        ...

    def examples(self, task: Task, passes: int) -> Iterator[Step]:
        """Single pictures of a task, each ``passes`` times, with a (t, ε) of its own."""
        ...

    def phrase(self, subject: Subject) -> str:
        """How a prompt names a subject: by its token once it is known, by its noun before."""
        ...


def sources_of(
    trainer: Trainer[Adapter], task: Task, rehearsed: Sequence[tuple[Pictures, Subject]] = ()
) -> list[Source]:
    """The source of the task, then one of each rehearsed concept; all under the training prompt of the task.

    Pictures of the task may have captions in its place.
    """
    seen = task.pictures if task.extras.views is None else task.extras.views
    sources = [(seen, task.subject, task.extras.captions)]
    sources += [(x, subject, ()) for x, subject in rehearsed]
    found: list[Source] = []
    for x, subject, captions in sources:
        texts = [Prompt(text, (subject,)).render(trainer.phrase) for text in captions or [task.prompt] * len(x)]
        found.append((trainer.backbone.encode(x), texts))
    return found


def prior_of(trainer: Trainer[Adapter], task: Task) -> Source | None:
    """The pictures of the class that the task has to keep, under the class noun."""
    if task.extras.prior is None:
        return None
    text = Prompt(task.prompt, (task.subject,)).render(lambda subject: subject.noun)
    return trainer.backbone.encode(task.extras.prior), [text] * len(task.extras.prior)


def draw_step(
    backbone: Backbone,
    sources: Sequence[Source],
    batch: int,
    draw: torch.Generator,
    timesteps: str = "all",
    extras: Extras = _PLAIN,
) -> Step:
    """Draw pictures, t uniform over ``timesteps`` and ε ~ N(0, I), on the CPU for the same numbers on every device.

    ``extras``: the noise may have a part that is the same for all pixels of a channel, and t may weigh differently.
    """
    which = torch.randint(len(sources), (batch,), generator=draw).tolist()
    rows = [int(torch.randint(len(sources[w][0]), (), generator=draw)) for w in which]
    z = torch.stack([sources[w][0][k] for w, k in zip(which, rows, strict=True)])
    low, high = (third * backbone.steps // 3 for third in THIRDS[timesteps])
    t = torch.randint(low, high, (batch,), generator=draw).to(backbone.device)
    noise = torch.randn(z.shape, generator=draw).to(backbone.device)
    if extras.noise_offset:
        noise = noise + extras.noise_offset * torch.randn(*z.shape[:2], 1, 1, generator=draw).to(backbone.device)
    texts = [sources[w][1][k] for w, k in zip(which, rows, strict=True)]
    weights = backbone.min_snr(t, extras.min_snr) if extras.min_snr else None
    return Step(z, backbone.target(z, noise, t), t, backbone.add_noise(z, noise, t), texts, weights)


def with_prior(step: Step, prior: Step, weight: float) -> Step:
    """A step beside which as many pictures of the class are learned, with a loss of this weight."""
    weights = torch.full_like(prior.t, 1.0, dtype=prior.target.dtype) if prior.weights is None else prior.weights
    return replace(step, prior=replace(prior, weights=weight * weights))


def single_examples(trainer: Trainer[Adapter], task: Task, passes: int) -> Iterator[Step]:
    """Each picture of a task alone, ``passes`` times, with a (t, ε) of its own: for per-example gradients."""
    ((latents, prompts),) = sources_of(trainer, replace(task, extras=_PLAIN))
    draw = torch.Generator().manual_seed(task.seed + 2)
    for _ in range(passes):
        for k in range(len(latents)):
            yield draw_step(trainer.backbone, [(latents[k : k + 1], prompts[k : k + 1])], 1, draw)


def gathered(steps: Sequence[Step]) -> Step:
    """The pictures of several steps as one."""
    parts = zip(*((step.latents, step.target, step.t, step.noisy) for step in steps), strict=True)
    latents, target, t, noisy = map(torch.cat, parts)
    return Step(latents, target, t, noisy, [prompt for step in steps for prompt in step.prompts])


def rate_share(step: int, steps: int, cooldown: float) -> float:
    """The share of the full rate at update ``step`` of ``steps``: 1, then linear to zero over the cooldown."""
    return min(1.0, (1 - step / steps) / cooldown) if cooldown else 1.0


def run_phase(
    backbone: Backbone,
    sources: Sequence[Source],
    prior: Source | None,
    task: Task,
    phase: Phase,
    cooldown: float,
    watch: Watch,
) -> dict[str, float]:
    """Minimise the objective of a phase with AdamW on random (picture, t, ε), from its last checkpoint if there is one.

    Returns the mean of each term of the loss over the last tenth, as ``loss.<phase>.<term>``, and the balance of their
    gradients (:func:`.balance.summary`), taken at every :data:`.balance.EVERY`-th update and the last. Raises FailedRun
    where the loss is not finite.
    """
    draw = torch.Generator().manual_seed(task.seed)
    optimiser = torch.optim.AdamW(phase.groups, weight_decay=0.0)
    schedule = LambdaLR(optimiser, partial(rate_share, steps=phase.steps, cooldown=cooldown))
    room = Room(backbone, min(phase.batch, backbone.engine.micro_batch or phase.batch))
    loop = Loop(optimiser, schedule, (draw, *phase.streams), deque(maxlen=max(1, phase.steps // 10)), room)
    found = task.scratch.load(phase.name) if task.scratch else None
    for k in range(loop.restore(found) if found else 0, phase.steps):
        step = draw_step(backbone, sources, phase.batch, draw, phase.timesteps, task.extras)
        if prior is not None:
            kept = draw_step(backbone, [prior], phase.batch, draw, phase.timesteps, task.extras)
            step = with_prior(step, kept, task.extras.prior_weight)
        loss = loop.update(phase.objective, step, weigh=k % EVERY == 0 or k == phase.steps - 1)
        watch(Tick(phase.name, k + 1, phase.steps, loss))
        if not math.isfinite(loss):
            raise FailedRun(f"the loss of phase '{phase.name}' is {loss} at update {k + 1}; lower the learning rates.")
        if task.scratch and task.scratch.due():
            task.scratch.save(phase.name, loop.snapshot(k + 1))
    losses = {f"loss.{phase.name}.{name}": mean for name, mean in loop.means().items()}
    return losses | summary(phase.name, loop.weighed)
