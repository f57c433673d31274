"""The learner: the one training loop that every built-in method shares."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..benchmark.backbone import Backbone, Params
from ..benchmark.protocol import Pictures, Prompt, Subject, Task, Tick, Watch
from .adapters import Adapter
from .consolidation import Consolidation, Phase, Step, mean_change


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
        self.known: dict[str, Subject] = {}

    # --- the four verbs ---------------------------------------------------------------------------------------------

    def learn(self, task: Task, watch: Watch) -> dict[str, float]:
        """Learn the token and the adapter on L_denoise plus every penalty, then consolidate."""
        if any(c.restart for c in self.consolidations):
            self.adapter.reset(task.seed)
        row = self._new_token(task)
        groups = [{"params": [row], "lr": self.options.token_rate}]
        if self.adapter.params:
            groups.append({"params": list(self.adapter.params.values()), "lr": self.options.rate})
        phase = Phase("learn", self._denoising, groups, task.steps, task.batch)
        figures = {"loss": self.optimise(task, phase, watch), "mean_change": mean_change(self.adapter.delta())}
        row.requires_grad_(False)
        for consolidation in self.consolidations:
            figures |= consolidation.end(self, task, watch)
        return figures

    def generate(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Pictures:
        """Draw the prompts; a consolidation may choose other adapter weights for the first subject of a prompt."""
        names = [p.subjects[0].name for p in prompts]
        pictures: dict[int, Pictures] = {}
        for name in dict.fromkeys(names):
            rows = [k for k, other in enumerate(names) if other == name]
            texts = [prompts[k].render(self.say) for k in rows]
            params = self._override(prompts[rows[0]].subjects[0])
            drawn = self.backbone.sample(texts, [seeds[k] for k in rows], params)
            pictures |= dict(zip(rows, drawn, strict=True))
        return np.stack([pictures[k] for k in range(len(prompts))])

    def save(self, folder: Path) -> None:
        """Write adapter, tokens and consolidations as safetensors, and the list of what was learned as JSON."""
        groups = {"adapter": self.adapter.state(), "tokens": {k: v.detach() for k, v in self.backbone.tokens.items()}}
        groups |= {c.name: c.state() for c in self.consolidations}
        for name, tensors in groups.items():
            if tensors:
                save_file({k: v.contiguous().cpu() for k, v in tensors.items()}, folder / f"{name}.safetensors")
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

    def trainable(self) -> int:
        """Entries of the adapter and of one token."""
        return sum(p.numel() for p in self.adapter.params.values()) + self.backbone.word_row("a").numel()

    # --- what consolidations use ------------------------------------------------------------------------------------

    def optimise(self, task: Task, phase: Phase, watch: Watch) -> float:
        """Run one phase of AdamW on random (picture, t, ε); returns the mean loss of its last tenth."""
        latents = self.backbone.encode(task.pictures)
        prompt = Prompt(task.prompt, (task.subject,)).render(self.say)
        draw = torch.Generator().manual_seed(task.seed)
        optimiser = torch.optim.AdamW(phase.groups, weight_decay=0.0)
        share = partial(rate_share, steps=phase.steps, cooldown=self.options.cooldown)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, share)
        losses = []
        for k in range(phase.steps):
            loss = phase.objective(self._draw(latents, prompt, phase.batch, draw))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
            watch(Tick(phase.name, k + 1, phase.steps, losses[-1]))
        return float(np.mean(losses[-max(1, phase.steps // 10) :]))

    def say(self, subject: Subject) -> str:
        """How a prompt speaks of a subject: by its token once it is known, by its noun before."""
        if subject.name not in self.known:
            return subject.noun
        return f"{_token(subject)} {subject.noun}" if self.options.use_noun else _token(subject)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _denoising(self, step: Step) -> Tensor:
        """L_denoise = ‖ε − ε_θ(x_t, prompt)‖² (mean over entries) plus the penalties."""
        prediction = self.backbone.eps(step.noisy, step.t, [step.prompt] * len(step.t))
        loss = (prediction - step.noise).square().mean()
        penalties = (c.penalty(self, step) for c in self.consolidations)
        return loss + sum(p for p in penalties if p is not None)

    def _draw(self, latents: Tensor, prompt: str, batch: int, draw: torch.Generator) -> Step:
        """Draw pictures, t uniform in [0, 1000) and ε ~ N(0, I), on the CPU for the same numbers on every device."""
        z = latents[torch.randint(len(latents), (batch,), generator=draw).to(latents.device)]
        t = torch.randint(1000, (batch,), generator=draw).to(latents.device)
        noise = torch.randn(z.shape, generator=draw).to(latents.device)
        return Step(z, noise, t, self.backbone.add_noise(z, noise, t), prompt)

    def _new_token(self, task: Task) -> nn.Parameter:
        """Add the token of a task: the embedding of the noun, or noise of the table's own scale."""
        row = self.backbone.word_row(task.subject.noun)
        if not self.options.use_noun:
            scale = self.backbone.text.get_input_embeddings().weight.std().item()
            row = scale * torch.randn(row.shape, generator=torch.Generator().manual_seed(task.seed))
        self.known[task.subject.name] = task.subject
        return self.backbone.add_token(_token(task.subject), row)

    def _override(self, subject: Subject) -> Params | None:
        return next((o for c in self.consolidations if (o := c.override(subject)) is not None), None)


def rate_share(step: int, steps: int, cooldown: float) -> float:
    """The share of the full rate at update ``step`` of ``steps``: 1, then linear to zero over the cooldown."""
    return min(1.0, (1 - step / steps) / cooldown) if cooldown else 1.0


def _token(subject: Subject) -> str:
    return f"<{subject.name}>"


def _read(folder: Path, name: str, device: torch.device) -> dict[str, Tensor]:
    file = folder / f"{name}.safetensors"
    return load_file(file, device=str(device)) if file.exists() else {}
