"""The training loop: how steps are drawn, updates made and checkpoints kept, and what consolidations may use of it."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from ..benchmark.errors import FailedRun
from ..benchmark.models.backbone import Backbone
from ..benchmark.protocol import Pictures, Prompt, Subject, Task, Tick, Watch
from .adapters.base import Adapter
from .balance import EVERY, balance, summary

A_co = TypeVar("A_co", bound=Adapter, covariant=True)
Source = tuple[Tensor, str]
"""Latents (k, c, h, w) of one concept, and their prompt."""
THIRDS: Mapping[str, tuple[int, int]] = {"all": (0, 3), "low": (0, 1), "middle": (1, 2), "high": (2, 3)}
"""The parts of the noise schedule by name, from and to, in thirds."""


@dataclass(frozen=True)
class Step:
    """One training step: latents z and the target (ε or v), both (n, c, h, w), t (n,), x_t, and the prompts (n)."""

    latents: Tensor
    target: Tensor
    t: Tensor
    noisy: Tensor
    prompts: Sequence[str]


@dataclass(frozen=True)
class Phase:
    """One run of the training loop: what to minimise, the optimiser's groups, how many updates, and the batch.

    ``objective`` returns the terms of the loss by name; their sum is minimised, and each is logged.
    ``rehearsed``: pictures of earlier concepts to draw from beside those of the task, each concept equally often.
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
    """The source of the task, then one of each rehearsed concept; all under the training prompt of the task."""
    pairs = [(task.pictures, task.subject), *rehearsed]
    return [(trainer.backbone.encode(x), Prompt(task.prompt, (s,)).render(trainer.phrase)) for x, s in pairs]


def draw_step(
    backbone: Backbone, sources: Sequence[Source], batch: int, draw: torch.Generator, timesteps: str = "all"
) -> Step:
    """Draw pictures, t uniform over ``timesteps`` and ε ~ N(0, I), on the CPU for the same numbers on every device."""
    which = torch.randint(len(sources), (batch,), generator=draw).tolist()
    rows = [int(torch.randint(len(sources[w][0]), (), generator=draw)) for w in which]
    z = torch.stack([sources[w][0][k] for w, k in zip(which, rows, strict=True)])
    low, high = (third * backbone.steps // 3 for third in THIRDS[timesteps])
    t = torch.randint(low, high, (batch,), generator=draw).to(backbone.device)
    noise = torch.randn(z.shape, generator=draw).to(backbone.device)
    return Step(z, backbone.target(z, noise, t), t, backbone.add_noise(z, noise, t), [sources[w][1] for w in which])


def single_examples(trainer: Trainer[Adapter], task: Task, passes: int) -> Iterator[Step]:
    """Each picture of a task alone, ``passes`` times, with a (t, ε) of its own: for per-example gradients."""
    ((latents, prompt),) = sources_of(trainer, task)
    draw = torch.Generator().manual_seed(task.seed + 2)
    for _ in range(passes):
        for k in range(len(latents)):
            yield draw_step(trainer.backbone, [(latents[k : k + 1], prompt)], 1, draw)


def gathered(steps: Sequence[Step]) -> Step:
    """The pictures of several steps as one."""
    parts = zip(*((step.latents, step.target, step.t, step.noisy) for step in steps), strict=True)
    latents, target, t, noisy = map(torch.cat, parts)
    return Step(latents, target, t, noisy, [prompt for step in steps for prompt in step.prompts])


def rate_share(step: int, steps: int, cooldown: float) -> float:
    """The share of the full rate at update ``step`` of ``steps``: 1, then linear to zero over the cooldown."""
    return min(1.0, (1 - step / steps) / cooldown) if cooldown else 1.0


def run_phase(
    backbone: Backbone, sources: Sequence[Source], task: Task, phase: Phase, cooldown: float, watch: Watch
) -> dict[str, float]:
    """Minimise the objective of a phase with AdamW on random (picture, t, ε), from its last checkpoint if there is one.

    Returns the mean of each term of the loss over the last tenth, as ``loss.<phase>.<term>``, and the balance of their
    gradients (:func:`.balance.summary`), taken at every :data:`.balance.EVERY`-th update and the last. Raises FailedRun
    where the loss is not finite.
    """
    draw = torch.Generator().manual_seed(task.seed)
    optimiser = torch.optim.AdamW(phase.groups, weight_decay=0.0)
    schedule = LambdaLR(optimiser, partial(rate_share, steps=phase.steps, cooldown=cooldown))
    loop = Loop(optimiser, schedule, (draw, *phase.streams), deque(maxlen=max(1, phase.steps // 10)))
    found = task.scratch.load(phase.name) if task.scratch else None
    for k in range(loop.restore(found) if found else 0, phase.steps):
        terms = phase.objective(draw_step(backbone, sources, phase.batch, draw, phase.timesteps))
        if k % EVERY == 0 or k == phase.steps - 1:
            loop.weigh(terms)
        loss = loop.update(terms)
        watch(Tick(phase.name, k + 1, phase.steps, loss))
        if not math.isfinite(loss):
            raise FailedRun(f"the loss of phase '{phase.name}' is {loss} at update {k + 1}; lower the learning rates.")
        if task.scratch and task.scratch.due():
            task.scratch.save(phase.name, loop.snapshot(k + 1))
    losses = {f"loss.{phase.name}.{name}": mean for name, mean in loop.means().items()}
    return losses | summary(phase.name, loop.weighed)


@dataclass(frozen=True)
class Loop:
    """Everything that an update reads or writes: parameters, moments, rates, random streams, and the last losses.

    ``weighed``: what :meth:`weigh` found so far.
    """

    optimiser: Optimizer
    schedule: LambdaLR
    streams: Sequence[torch.Generator]
    last: deque[dict[str, Tensor]]
    weighed: list[dict[str, Tensor]] = field(default_factory=list)

    def update(self, terms: Mapping[str, Tensor]) -> float:
        """Make one update on the sum of the terms of a loss; returns that sum."""
        loss = torch.stack(list(terms.values())).sum()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.schedule.step()
        self.last.append({name: term.detach() for name, term in terms.items()})
        return loss.item()

    def weigh(self, terms: Mapping[str, Tensor]) -> None:
        """Note the balance of the gradients of several terms; the update that follows is not changed."""
        if found := balance(terms, self._params()):
            self.weighed.append(found)

    def means(self) -> dict[str, float]:
        """The mean of each term over the last updates."""
        return {name: torch.stack([terms[name] for terms in self.last]).mean().item() for name in self.last[0]}

    def snapshot(self, step: int) -> dict[str, Tensor]:
        """The state after ``step`` updates.

        ``param/<k>``, ``<moment>/<k>``, ``stream/<k>``, ``last/<k>/<term>`` and ``weighed/<k>/<what>``.
        """
        found = {"updates": torch.tensor(step)}
        for k, p in enumerate(self._params()):
            found[f"param/{k}"] = p.detach()
            found |= {f"{name}/{k}": value for name, value in self.optimiser.state[p].items()}
        found |= {f"stream/{k}": stream.get_state() for k, stream in enumerate(self.streams)}
        lists = {"last": self.last, "weighed": self.weighed}
        return found | {
            f"{what}/{k}/{name}": x
            for what, own in lists.items()
            for k, terms in enumerate(own)
            for name, x in terms.items()
        }

    def restore(self, found: Mapping[str, Tensor]) -> int:
        """Load what :meth:`snapshot` returned; returns the number of updates done by then."""
        parts: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for name, value in found.items():
            kind, _, rest = name.partition("/")
            parts[kind][rest] = value
        step, params, streams = int(parts.pop("updates")[""]), parts.pop("param"), parts.pop("stream")
        for name, own in (("last", self.last), ("weighed", self.weighed)):
            own.extend(_listed(parts.pop(name, {}), self._params()[0].device))
        for place, p in enumerate(self._params()):
            p.data.copy_(params[str(place)])
            moments = {kind: values[str(place)] for kind, values in parts.items() if str(place) in values}
            # AdamW counts on the CPU, wherever the parameter is.
            self.optimiser.state[p] = {n: v if n == "step" else v.to(p.device) for n, v in moments.items()}
        for place, stream in enumerate(self.streams):
            stream.set_state(streams[str(place)])
        self.schedule.last_epoch = step
        for group, base, share in zip(
            self.optimiser.param_groups, self.schedule.base_lrs, self.schedule.lr_lambdas, strict=True
        ):
            group["lr"] = base * share(step)
        return step

    def _params(self) -> list[Tensor]:
        return [p for group in self.optimiser.param_groups for p in group["params"]]


def _listed(flat: Mapping[str, Tensor], device: torch.device) -> list[dict[str, Tensor]]:
    """The list whose entries are there as ``<place>/<name>``, on the device where what is added to it will be."""
    found: dict[int, dict[str, Tensor]] = defaultdict(dict)
    for key, value in flat.items():
        place, _, name = key.partition("/")
        found[int(place)][name] = value.to(device)
    return [found[place] for place in sorted(found)]
