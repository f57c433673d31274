"""A training stage that resumes: a loss, its parameters, a learning-rate schedule, and checkpoints without pickle."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ..numbers import Range
from ..plain_json import json_text
from ..ranged import Ranged

_EVERY = 250  # updates between checkpoints
UPDATES = Range(1, 100_000_000)
Updates = Annotated[int, UPDATES]
Rate = Annotated[float, Range(0, 10, above=True)]
Share = Annotated[float, Range(0, 1)]
Seed = Annotated[int, Range(0, 1_000_000_000)]


@dataclass(frozen=True)
class Schedule(Ranged):
    """Linear warm-up to ``peak``, a constant rate, then linear decay to 0 over the share ``cooldown`` of the updates.

    With a constant middle part a run can be extended while it runs: only its end depends on the length.
    """

    updates: Updates
    peak: Rate
    warmup: Updates = 200
    cooldown: Share = 0.3

    def rate(self, step: int) -> float:
        """The learning rate of update ``step``, which counts from 0."""
        rise = min(1.0, (step + 1) / self.warmup)
        left = (self.updates - step) / max(1.0, self.cooldown * self.updates)
        return self.peak * min(rise, 1.0, left)


@dataclass(frozen=True)
class StageStep:
    """Progress of a stage after an update: its number, the loss, and the seconds since the stage (re)started."""

    stage: str
    step: int
    updates: int
    loss: float
    seconds: float


class Stage:
    """Trains ``modules`` on ``loss(generator)`` with AdamW and an exponential moving average of the weights.

    A stage that was stopped resumes with the same bits: the generator of an update is seeded by (seed, step) alone, so
    a checkpoint needs no random state.
    """

    def __init__(
        self,
        name: str,
        modules: dict[str, nn.Module],
        loss: Callable[[torch.Generator], Tensor],
        schedule: Schedule,
        folder: Path,
        *,
        seed: int,
        ema: float,
    ) -> None:
        self.name, self.modules, self.loss, self.schedule, self.seed, self.ema = (
            name,
            modules,
            loss,
            schedule,
            seed,
            ema,
        )
        self.file, self.log = folder / f"{name}.safetensors", folder / f"{name}.log.jsonl"
        self.parameters = {f"{m}.{k}": p for m, module in modules.items() for k, p in module.named_parameters()}
        self.average = {k: p.detach().clone() for k, p in self.parameters.items()}
        self.optimiser = torch.optim.AdamW(
            self.parameters.values(), lr=schedule.peak, betas=(0.9, 0.99), weight_decay=0.0, fused=True
        )
        self.step = 0

    def run(self) -> Iterator[StageStep]:
        """Train from the last checkpoint to the end; yields after every update."""
        self._resume()
        start = time.perf_counter()
        while self.step < self.schedule.updates:
            loss = self._update()
            self.step += 1
            report = StageStep(self.name, self.step, self.schedule.updates, loss, time.perf_counter() - start)
            if self.step % _EVERY == 0 or self.step == self.schedule.updates:
                self._save()
            yield report

    def _update(self) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = self.schedule.rate(self.step)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.step)
        loss = self.loss(generator)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters.values(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        decay = min(self.ema, (1 + self.step) / (10 + self.step))
        current = [p.detach() for p in self.parameters.values()]
        torch._foreach_lerp_(list(self.average.values()), current, 1 - decay)
        value = loss.item()
        if (self.step + 1) % 50 == 0:
            with self.log.open("a") as out:
                out.write(json_text({"step": self.step + 1, "loss": round(value, 5)}) + "\n")
        return value

    def use_average(self) -> None:
        """Copy the moving average, which is shipped, into the modules."""
        with torch.no_grad():
            for name, p in self.parameters.items():
                p.copy_(self.average[name])

    def _save(self) -> None:
        tensors = {f"now.{k}": p.detach() for k, p in self.parameters.items()}
        tensors |= {f"ema.{k}": p for k, p in self.average.items()}
        for k, p in self.parameters.items():
            tensors |= {f"opt.{part}.{k}": value for part, value in self.optimiser.state[p].items()}
        partial = self.file.with_suffix(".partial")
        partial.write_bytes(save(tensors, metadata={"step": str(self.step)}))
        partial.replace(self.file)

    def _resume(self) -> None:
        if not self.file.exists():
            return
        tensors = load_file(self.file)
        with torch.no_grad():
            for k, p in self.parameters.items():
                p.copy_(tensors[f"now.{k}"])
                self.average[k].copy_(tensors[f"ema.{k}"])
                parts = ("step", "exp_avg", "exp_avg_sq")
                self.optimiser.state[p] = {part: tensors[f"opt.{part}.{k}"] for part in parts}
        self.step = int(next(iter(self.optimiser.state.values()))["step"].item())
        self._cut_log()

    def _cut_log(self) -> None:
        """Remove the log lines of updates after the checkpoint, which will be repeated."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        kept = [line for line in lines if json.loads(line)["step"] <= self.step]
        self.log.write_text("".join(line + "\n" for line in kept))
