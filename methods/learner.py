"""The learner: the one training loop that every built-in method shares."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ..benchmark.errors import BadInput, FailedRun
from ..benchmark.models.backbone import Backbone, Params
from ..benchmark.protocol import Pictures, Prompt, Question, Subject, Task, Tick, Watch
from .adapters.base import Adapter
from .consolidations.base import Consolidation
from .inspection import inspect
from .training import Loop, Phase, Step

Source = tuple[Tensor, str]


@dataclass(frozen=True)
class LearnerOptions:
    """Learning rates of adapter and new token, and how the token begins.

    ``cooldown``: the last share of the updates, over which the rates fall linearly to zero (0: never).
    ``use_noun``: the prompt says "<token> noun" and the token starts as the noun; otherwise the token stands alone
    and starts at random, as in C-LoRA.
    """

    rate: float = 3e-3
    token_rate: float = 2e-3
    cooldown: float = 0.5
    use_noun: bool = True


class Learner:
    """A method made of one adapter and any consolidations, applied in order."""

    def __init__(
        self,
        backbone: Backbone,
        seed: int,
        adapter: Adapter,
        consolidations: Sequence[Consolidation] = (),
        options: LearnerOptions = LearnerOptions(),
    ) -> None:
        """``backbone`` is this learner's own copy: ``adapter`` lives in it."""
        self.backbone, self.seed, self.adapter = backbone, seed, adapter
        self.consolidations, self.options = tuple(consolidations), options
        _check(adapter, self.consolidations)
        self.known: dict[str, Subject] = {}

    # --- the four verbs ---------------------------------------------------------------------------------------------

    def learn(self, task: Task, watch: Watch) -> dict[str, float]:
        """Learn the token and the adapter on L_denoise plus every penalty, then consolidate."""
        for consolidation in self.consolidations:
            consolidation.begin(self, task)
        row = self._new_token(task)
        groups = [{"params": [row], "lr": self.options.token_rate}]
        if self.adapter.params:
            groups.append({"params": list(self.adapter.params.values()), "lr": self.options.rate})
        rehearsed = [pair for c in self.consolidations for pair in c.rehearsed(self)]
        updates = max((c.updates(task) for c in self.consolidations), default=task.steps)
        phase = Phase("learn", self._denoising, groups, updates, task.batch, rehearsed)
        figures = self.optimise(task, phase, watch) | changes(self.adapter.delta())
        row.requires_grad_(False)
        for consolidation in self.consolidations:
            figures |= consolidation.end(self, task, watch)
        return figures

    def inspect(self, task: Task, watch: Watch) -> dict[str, float]:
        """Scores of the diffusion classifier and the Fisher information after a task (:mod:`.inspection`)."""
        return inspect(self, task, watch)

    def generate(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Pictures:
        """Draw the prompts; a consolidation may choose other adapter weights for the first subject of a prompt."""
        pictures: dict[int, Pictures] = {}
        for rows, params in self._by_weights(prompts):
            texts = [prompts[k].render(self.phrase) for k in rows]
            pictures |= dict(zip(rows, self.backbone.sample(texts, [seeds[k] for k in rows], params), strict=True))
        return np.stack([pictures[k] for k in range(len(prompts))])

    def explain(self, pictures: Pictures, questions: Sequence[Question]) -> NDArray[np.float64]:
        """The noise error of each question, under the weights that its prompt is drawn with."""
        found = np.empty(len(questions))
        for rows, params in self._by_weights([q.prompt for q in questions]):
            found[rows] = self.backbone.explain(pictures, [questions[k] for k in rows], self.phrase, params)
        return found

    def save(self, folder: Path) -> None:
        """Write adapter, tokens and consolidations as safetensors, and the list of what was learned as JSON."""
        groups = {"adapter": self.adapter.state(), "tokens": {k: v.detach() for k, v in self.backbone.tokens.items()}}
        groups |= {c.name: c.state() for c in self.consolidations}
        for name, tensors in groups.items():
            if tensors:
                # Not save_file: on a full disk it raises an error of its own, and not OSError.
                content: bytes = save({k: v.contiguous().cpu() for k, v in tensors.items()})
                (folder / f"{name}.safetensors").write_bytes(content)
        (folder / "learned.json").write_text(json.dumps([asdict(s) for s in self.known.values()]))

    def load(self, folder: Path) -> None:
        """Become what was saved in ``folder``; to be called once, on a new learner."""
        self.known = {s["name"]: Subject(**s) for s in json.loads((folder / "learned.json").read_text())}
        tokens = _read(folder, "tokens", self.backbone.device)
        for subject in self.known.values():
            self.backbone.add_token(_token(subject), tokens[_token(subject)]).requires_grad_(False)
        self.adapter.restore(_read(folder, "adapter", self.backbone.device))
        for consolidation in self.consolidations:
            consolidation.restore(_read(folder, consolidation.name, self.backbone.device))

    @property
    def keeps_pictures(self) -> bool:
        """Whether pictures of earlier concepts are kept."""
        return any(c.keeps_pictures for c in self.consolidations)

    def trainable(self) -> int:
        """Entries of the adapter and of one token."""
        return sum(p.numel() for p in self.adapter.params.values()) + self.backbone.word_row("a").numel()

    # --- what consolidations use ------------------------------------------------------------------------------------

    def optimise(self, task: Task, phase: Phase, watch: Watch) -> dict[str, float]:
        """Run one phase of AdamW on random (picture, t, ε), from its last checkpoint where there is one.

        Returns the mean of each term of the loss over the last tenth, as ``loss.<phase>.<term>``. Raises FailedRun
        where the loss is not a number.
        """
        sources = self._sources(task, phase.rehearsed)
        draw = torch.Generator().manual_seed(task.seed)
        optimiser = torch.optim.AdamW(phase.groups, weight_decay=0.0)
        share = partial(rate_share, steps=phase.steps, cooldown=self.options.cooldown)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, share)
        last: deque[dict[str, Tensor]] = deque(maxlen=max(1, phase.steps // 10))
        loop = Loop(optimiser, schedule, (draw, *phase.streams), last)
        found = task.scratch.load(phase.name) if task.scratch else None
        for k in range(loop.restore(found) if found else 0, phase.steps):
            terms = phase.objective(self._draw(sources, phase.batch, draw))
            loss = torch.stack(list(terms.values())).sum()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            last.append({name: term.detach() for name, term in terms.items()})
            value = loss.item()
            watch(Tick(phase.name, k + 1, phase.steps, value))
            if not math.isfinite(value):
                raise FailedRun(f"the loss of phase '{phase.name}' is {value} at update {k + 1}; lower the rates.")
            if task.scratch and task.scratch.due():
                task.scratch.save(phase.name, loop.snapshot(k + 1))
        means = {name: torch.stack([terms[name] for terms in last]).mean().item() for name in last[0]}
        return {f"loss.{phase.name}.{name}": mean for name, mean in means.items()}

    def penalties(self, step: Step) -> dict[str, Tensor]:
        """What the consolidations add to the loss of a step, by their names."""
        found = {c.name: c.penalty(self, step) for c in self.consolidations}
        return {name: penalty for name, penalty in found.items() if penalty is not None}

    def examples(self, task: Task, passes: int) -> Iterator[Step]:
        """Single pictures of a task, each ``passes`` times, with a (t, ε) of its own: for per-example gradients."""
        ((latents, prompt),) = self._sources(task, ())
        draw = torch.Generator().manual_seed(task.seed + 2)
        for _ in range(passes):
            for k in range(len(latents)):
                yield self._draw([(latents[k : k + 1], prompt)], 1, draw)

    def phrase(self, subject: Subject) -> str:
        """How a prompt speaks of a subject: by its token once it is known, by its noun before."""
        if subject.name not in self.known:
            return subject.noun
        return f"{_token(subject)} {subject.noun}" if self.options.use_noun else _token(subject)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _denoising(self, step: Step) -> dict[str, Tensor]:
        """L_denoise = ‖ε − ε_θ(x_t, prompt)‖² (mean over entries), and the penalties."""
        prediction = self.backbone.eps(step.noisy, step.t, step.prompts)
        return {"denoise": (prediction - step.noise).square().mean(), **self.penalties(step)}

    def _sources(self, task: Task, rehearsed: Sequence[tuple[Pictures, Subject]]) -> list[Source]:
        """Latents (k, c, h, w) and prompt of the task, then of each rehearsed concept."""
        pairs = [(task.pictures, task.subject), *rehearsed]
        return [(self.backbone.encode(x), Prompt(task.prompt, (s,)).render(self.phrase)) for x, s in pairs]

    def _draw(self, sources: Sequence[Source], batch: int, draw: torch.Generator) -> Step:
        """Draw pictures, t uniform over all steps and ε ~ N(0, I), on the CPU for the same numbers on every device."""
        device = self.backbone.device
        which = torch.randint(len(sources), (batch,), generator=draw).tolist()
        rows = [int(torch.randint(len(sources[w][0]), (), generator=draw)) for w in which]
        z = torch.stack([sources[w][0][k] for w, k in zip(which, rows, strict=True)])
        t = torch.randint(self.backbone.scheduler.config.num_train_timesteps, (batch,), generator=draw).to(device)
        noise = torch.randn(z.shape, generator=draw).to(device)
        return Step(z, noise, t, self.backbone.add_noise(z, noise, t), [sources[w][1] for w in which])

    def _new_token(self, task: Task) -> nn.Parameter:
        """Add the token of a task: the embedding of the noun, or noise of the table's own scale."""
        row = self.backbone.word_row(task.subject.noun)
        if not self.options.use_noun:
            scale = self.backbone.text.get_input_embeddings().weight.std().item()
            row = scale * torch.randn(row.shape, generator=torch.Generator().manual_seed(task.seed))
        self.known[task.subject.name] = task.subject
        return self.backbone.add_token(_token(task.subject), row)

    def _by_weights(self, prompts: Sequence[Prompt]) -> list[tuple[list[int], Params | None]]:
        """Prompts (by index) that go through the same weights, and these; None: the present ones."""
        groups: dict[str, tuple[list[int], Params | None]] = {}
        for k, prompt in enumerate(prompts):
            params = self._override(prompt.subjects[0]) if prompt.subjects else None
            groups.setdefault("" if params is None else prompt.subjects[0].name, ([], params))[0].append(k)
        return list(groups.values())

    def _override(self, subject: Subject) -> Params | None:
        return next((o for c in self.consolidations if (o := c.override(subject)) is not None), None)


def _check(adapter: Adapter, consolidations: Sequence[Consolidation]) -> None:
    """Raise BadInput for parts that do not go together."""
    for c in consolidations:
        if c.needs_weights and not adapter.params:
            raise BadInput(f"{c.name} protects weights, and this adapter trains none; choose another adapter.")
        for other in (o for o in consolidations if c.folds and o is not c and (o.folds or o.recalls)):
            why = "does so too" if other.folds else "needs the adapters of earlier tasks as they were"
            raise BadInput(f"{c.name} folds changes into the base weights, and {other.name} {why}; choose one of them.")


def rate_share(step: int, steps: int, cooldown: float) -> float:
    """The share of the full rate at update ``step`` of ``steps``: 1, then linear to zero over the cooldown."""
    return min(1.0, (1 - step / steps) / cooldown) if cooldown else 1.0


def _token(subject: Subject) -> str:
    return f"<{subject.name}>"


def _read(folder: Path, name: str, device: torch.device) -> dict[str, Tensor]:
    file = folder / f"{name}.safetensors"
    return load_file(file, device=str(device)) if file.exists() else {}


def changes(delta: Mapping[str, Tensor]) -> dict[str, float]:
    """Mean |ΔW| of each changed matrix as ``change.<layer>``, and over all their entries as ``change``."""
    sums = {name: w.detach().abs().sum().item() for name, w in delta.items()}
    entries = {name: w.numel() for name, w in delta.items()}
    each = {f"change.{name}": total / entries[name] for name, total in sums.items()}
    return {"change": sum(sums.values()) / max(1, sum(entries.values())), **each}
