"""One update after another: gradients in as many parts as memory asks for, and a state that can be kept."""

from __future__ import annotations

import warnings
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from ..benchmark.models.backbone import Backbone
from .balance import balance
from .steps import Step

Objective = Callable[[Step], Mapping[str, Tensor]]
"""The terms of a loss of a step, by name."""
Balance = dict[str, Tensor]


@dataclass
class Room:
    """How many pictures of a step go through the network at once, ``size``: fewer where memory is short.

    A step in parts has the same gradients but for rounding, and takes as long where a picture fills the device.
    """

    backbone: Backbone
    size: int

    def make(self) -> bool:
        """Take less memory from now on, after there was not enough; False where nothing more can be done.

        First the network computes again in the backward pass what it would keep (activation checkpointing, which costs
        a forward pass more), then a step is cut into halves.
        """
        torch.cuda.empty_cache()
        if self.backbone.checkpoint():
            return True
        self.size = (self.size + 1) // 2 if self.size > 1 else 0
        return self.size > 0


@dataclass
class Loop:
    """Everything that an update reads or writes: parameters, moments, rates, random streams, and the last losses.

    ``weighed``: the balances that were found so far.
    """

    optimiser: Optimizer
    schedule: LambdaLR
    streams: Sequence[torch.Generator]
    last: deque[dict[str, Tensor]]
    room: Room
    weighed: list[dict[str, Tensor]] = field(default_factory=list)

    def update(self, objective: Objective, step: Step, *, weigh: bool) -> float:
        """Make one update on the sum of the terms of a loss; returns that sum. ``weigh``: note their balance."""
        terms, found = self._gradients(objective, step, weigh=weigh)
        self.weighed += [found] if found else []
        self.scaler.step(self.optimiser)
        self.scaler.update()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that a step without finite gradients was left out
            self.schedule.step()
        self.last.append(terms)
        return torch.stack(list(terms.values())).sum().item()

    def __post_init__(self) -> None:
        self.scaler = self._new_scaler(2.0**12)

    def _new_scaler(self, scale: float) -> torch.amp.GradScaler:
        """In half precision, small gradients would become zero: losses are multiplied, and gradients divided again."""
        half = self.room.backbone.dtype is torch.float16
        return torch.amp.GradScaler(self.room.backbone.device.type, init_scale=scale, enabled=half)

    def _gradients(self, objective: Objective, step: Step, *, weigh: bool) -> tuple[dict[str, Tensor], Balance]:
        """Make the gradients of a step; they are tried again with less memory where there is not enough."""
        before = [stream.get_state() for stream in self.streams]
        while True:
            try:
                return self._in_parts(objective, step, before, weigh=weigh)
            except torch.OutOfMemoryError as error:
                short = error.with_traceback(None)  # it holds the tensors of the pass
            if not self.room.make():
                raise short
            self._rewind(before)

    def _in_parts(
        self, objective: Objective, step: Step, before: Sequence[Tensor], *, weigh: bool
    ) -> tuple[dict[str, Tensor], Balance]:
        """The terms of a loss, means over the pictures of a step, and their balance in its first part."""
        n, size = len(step.t), min(self.room.size, len(step.t))
        sums: dict[str, Tensor] = {}
        found: Balance = {}
        for k in range(0, n, size):
            if k:
                self._rewind(before)  # all parts of a step draw the same
            part = step[k : k + size] if size < n else step
            terms, share = objective(part), len(part.t) / n
            if weigh and k == 0:
                found = balance(terms, self._params(), self.scaler.get_scale())
            if k == 0:
                self.optimiser.zero_grad(set_to_none=True)
            loss = torch.stack(list(terms.values())).sum()
            self.scaler.scale(loss if size == n else share * loss).backward()  # type: ignore[no-untyped-call]
            each = {name: term.detach() if size == n else share * term.detach() for name, term in terms.items()}
            sums = {name: sums[name] + term if name in sums else term for name, term in each.items()}
        return sums, found

    def _rewind(self, states: Sequence[Tensor]) -> None:
        for stream, state in zip(self.streams, states, strict=True):
            stream.set_state(state)

    def means(self) -> dict[str, float]:
        """The mean of each term over the last updates."""
        return {name: torch.stack([terms[name] for terms in self.last]).mean().item() for name in self.last[0]}

    def snapshot(self, step: int) -> dict[str, Tensor]:
        """The state after ``step`` updates.

        ``param/<k>``, ``<moment>/<k>``, ``stream/<k>``, ``last/<k>/<term>``, ``weighed/<k>/<what>`` and ``scale``, that
        of losses.
        """
        found = {"updates": torch.tensor(step), "scale": torch.tensor(self.scaler.get_scale())}
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
        self.scaler = self._new_scaler(parts.pop("scale")[""].item())
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
