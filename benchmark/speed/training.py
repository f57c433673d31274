"""Updates, DSC iterations and Fisher information, each against the same passes written by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, partial

import torch
from torch import Tensor
from torch.func import functional_call

from ..models.unet import StableDiffusion
from ..protocol import unwatched
from .bench import NOUN, Bench
from .paired import Ends, Interleaved, Pair, ratios_of, seconds, ticks_for
from .row import Measurement, Row, ratio_row, spread_row

METHODS, BATCHES = ("lora", "ti", "cd", "vera"), (1, 4, 8)
_STEPS = 4  # pairs per repeat: single updates are short
_LOOP, _PASSES_BY_HAND = "loop written by hand", "passes written by hand"


class Bare:
    """The passes of a learner, written by hand for the model and the trainable weights that it has at the first call.

    The rate is zero: the weights stay those of the learner, and an update takes as long as any other.
    """

    def __init__(self, bench: Bench, model: StableDiffusion, batch: int) -> None:
        self.model, self.batch, self.template = model, batch, bench.suite.prompts.train
        (self.reader,) = model.readers
        self.latents = model.encode(bench.pictures)
        self.draw = torch.Generator().manual_seed(0)

    @cached_property
    def params(self) -> list[Tensor]:
        """All weights that are trained now."""
        return [p for part in self.model.modules.values() for p in part.parameters() if p.requires_grad]

    @cached_property
    def optimiser(self) -> torch.optim.AdamW:
        """AdamW as learners use it."""
        return torch.optim.AdamW(self.params, lr=0.0, weight_decay=0.0)

    @cached_property
    def ids(self) -> Tensor:
        """The tokens (1, length) of the training prompt with the newest token."""
        return self._tokens([f"{list(self.model.tokens)[-1]} {NOUN}"])

    def _tokens(self, names: Sequence[str]) -> Tensor:
        prompts = [self.template.format(name) for name in names]
        listed = self.reader.tokenizer(prompts, padding="max_length").input_ids
        return torch.tensor(listed, device=self.model.device)

    def noisy(self, rows: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """x_t, ε and t of some pictures."""
        z = self.latents[list(rows)]
        noise = torch.randn(z.shape, generator=self.draw).to(z)
        t = torch.randint(self.model.steps, (len(rows),), generator=self.draw)
        t = t.to(z.device)
        return self.model.scheduler.add_noise(z, noise, t), noise, t

    def any_rows(self) -> list[int]:
        """Pictures drawn at random, as many as a batch has."""
        found: list[int] = torch.randint(len(self.latents), (self.batch,), generator=self.draw).tolist()
        return found

    def loss(self, rows: Sequence[int]) -> Tensor:
        """L_denoise of some pictures."""
        x, noise, t = self.noisy(rows)
        text = self.reader.encoder(self.ids).last_hidden_state.expand(len(rows), -1, -1)
        loss: Tensor = (self.model.network(x, t, text).sample - noise).square().mean()
        return loss

    def update(self, loss: Tensor) -> None:
        """One update on a loss."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        loss.item()

    def step(self) -> None:
        """One training step."""
        self.update(self.loss(self.any_rows()))

    @cached_property
    def candidates(self) -> Tensor:
        """The tokens (3, length) of the prompts of a DSC iteration."""
        return self._tokens([NOUN, *(f"{token} {NOUN}" for token in list(self.model.tokens)[-2:])])

    @cached_property
    def teacher(self) -> dict[str, Tensor]:
        """A copy of the trainable weights of the UNet, by name."""
        return {name: p.detach().clone() for name, p in self.model.network.named_parameters() if p.requires_grad}

    def distil(self) -> None:
        """One DSC iteration: two teachers and the student under three prompts, and an update."""
        x, _, t = self.noisy(self.any_rows())
        x, t = x.repeat_interleave(3, 0), t.repeat_interleave(3)
        with torch.no_grad():
            text = self.reader.encoder(self.candidates).last_hidden_state.repeat(self.batch, 1, 1)
            teachers = [functional_call(self.model.network, self.teacher, (x, t, text)).sample for _ in range(2)]
        student = self.model.network(x, t, text).sample
        self.update(sum((student - one).square().mean() for one in teachers))

    def gradients(self, passes: int) -> Tensor:
        """∂L_denoise/∂θ of single pictures, (n, p) on the CPU: one backward pass per example."""
        found = []
        for row in (row for _ in range(passes) for row in range(len(self.latents))):
            each = torch.autograd.grad(self.loss([row]), self.params)
            found.append(torch.cat([g.flatten() for g in each]).cpu())
        return torch.stack(found)


def step_measurements(bench: Bench) -> Iterator[Measurement]:
    """A training step of each adapter at each batch."""
    for name in METHODS:

        def make(name: str = name) -> list[Row]:
            return _steps(bench, name)

        yield Measurement(f"training steps of {name}", make)


def _steps(bench: Bench, name: str) -> list[Row]:
    method, model = bench.method(name)
    rows, count = [], ticks_for(_STEPS * bench.repeats)
    for number, batch in enumerate(BATCHES, 1):
        watch = Interleaved("learn", Bare(bench, model, batch).step, bench.clock)
        method.learn(bench.task(number, count, batch), watch)
        rows.append(ratio_row("step", f"training step of {name}, batch {batch}", _LOOP, watch.pairs))
    return rows


def dsc_measurements(bench: Bench) -> Iterator[Measurement]:
    """An iteration of DSC."""
    yield Measurement("iterations of DSC", lambda: [_distillation(bench)])


def _distillation(bench: Bench) -> Row:
    count = ticks_for(2 * bench.repeats)
    settings = {"dsc.iterations": str(count)}
    batch = int(bench.choose("dsc", settings).options["dsc"]["batch"])
    method, model = bench.method("dsc", settings)
    method.learn(bench.task(1, 1, 1), unwatched)
    watch = Interleaved("dsc", Bare(bench, model, batch).distil, bench.clock)
    method.learn(bench.task(2, 1, 1), watch)
    return ratio_row("dsc", f"DSC iteration, batch {batch}", _PASSES_BY_HAND, watch.pairs)


def fisher_measurements(bench: Bench) -> Iterator[Measurement]:
    """Fisher information of EWC."""
    yield Measurement("Fisher information", lambda: [_fisher(bench)])


def _fisher(bench: Bench) -> Row:
    """Fisher information of one task after another, each beside its gradients by hand."""
    passes, batch = int(bench.choose("ewc", {}).options["ewc"]["passes"]), bench.suite.training.batch
    method, model = bench.method("ewc")
    pairs = list[Pair]()
    for number in range(1, bench.repeats + 2):
        ends = Ends(bench.clock)
        method.learn(bench.task(number, 1, batch), ends)
        by_hand = partial(Bare(bench, model, 1).gradients, passes)
        pairs.append((ends.last["fisher"] - ends.last["learn"], seconds(by_hand, bench.clock)))
    return spread_row("fisher", "Fisher information", "one gradient per example", "ratio", ratios_of(pairs[1:]))
