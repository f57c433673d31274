"""The state of the learner's loop between two updates, as tensors: what a resumed task goes on from, bit for bit."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from ..benchmark.models.backbone import Backbone
from ..benchmark.protocol import Pictures, Subject, Task, Watch
from .adapters.base import Adapter


@dataclass(frozen=True)
class Loop:
    """Everything that an update reads or writes: parameters, moments, rates, random streams, and the last losses."""

    optimiser: Optimizer
    schedule: LambdaLR
    streams: Sequence[torch.Generator]
    last: deque[dict[str, Tensor]]

    def snapshot(self, step: int) -> dict[str, Tensor]:
        """The state after ``step`` updates: ``param/<k>``, ``<moment>/<k>``, ``stream/<k>``, ``last/<k>/<term>``."""
        found = {"updates": torch.tensor(step)}
        for k, p in enumerate(self._params()):
            found[f"param/{k}"] = p.detach()
            found |= {f"{name}/{k}": value for name, value in self.optimiser.state[p].items()}
        found |= {f"stream/{k}": stream.get_state() for k, stream in enumerate(self.streams)}
        return found | {f"last/{k}/{name}": term for k, terms in enumerate(self.last) for name, term in terms.items()}

    def restore(self, found: Mapping[str, Tensor]) -> int:
        """Become what :meth:`snapshot` gave; the number of updates done by then."""
        parts: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for name, value in found.items():
            kind, _, rest = name.partition("/")
            parts[kind][rest] = value
        step, params, streams = int(parts.pop("updates")[""]), parts.pop("param"), parts.pop("stream")
        last: dict[int, dict[str, Tensor]] = defaultdict(dict)
        for name, term in parts.pop("last", {}).items():
            k, _, what = name.partition("/")
            last[int(k)][what] = term
        self.last.extend(last[place] for place in sorted(last))
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


@dataclass(frozen=True)
class Step:
    """One training step: latents z and noise ε (n, c, h, w), t (n,), x_t, and the prompts (n)."""

    latents: Tensor
    noise: Tensor
    t: Tensor
    noisy: Tensor
    prompts: Sequence[str]


@dataclass(frozen=True)
class Phase:
    """One run of the learner's loop: what to minimise, the optimiser's groups, how many updates, and the batch.

    ``objective`` gives the terms of the loss by name; their sum is minimised, and each is logged.
    ``rehearsed``: pictures of earlier concepts to draw from beside those of the task, each concept equally often.
    ``streams``: the generators that the objective draws from, for checkpoints to hold.
    """

    name: str
    objective: Callable[[Step], Mapping[str, Tensor]]
    groups: list[dict[str, Any]]
    steps: int
    batch: int
    rehearsed: Sequence[tuple[Pictures, Subject]] = ()
    streams: Sequence[torch.Generator] = ()


class Trainer(Protocol):
    """What a consolidation, the scores and the inspection may use of the learner that they belong to.

    ``known``: the concepts learned so far by name, the present one included.
    """

    backbone: Backbone
    adapter: Adapter
    known: dict[str, Subject]

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
