"""Merging: every concept is learned from the base model, then all changes are combined into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ...benchmark.protocol import Subject, Task, Watch
from ..adapters.base import Directed, Mergeable, Steerable
from ..options.merge import MergeOptions
from ..training import Trainer
from .base import Consolidation, flatten, unflatten

Changes = Mapping[str, Tensor]


def average(changes: Sequence[Changes]) -> dict[str, Tensor]:
    """The mean of changes (out, in) by layer."""
    return {name: torch.stack([c[name] for c in changes]).mean(0) for name in changes[0]}


def greatest(changes: Sequence[Changes]) -> dict[str, Tensor]:
    """The change of greatest magnitude of each entry, with its sign, by layer."""
    merged = {}
    for name in changes[0]:
        all_ = torch.stack([c[name] for c in changes])
        merged[name] = all_.gather(0, all_.abs().argmax(0, keepdim=True))[0]
    return merged


def constrained(w0: Tensor, regular: Tensor, target: Tensor, values: Tensor) -> Tensor:
    """argmin_W ‖(W − W₀) C_reg‖_F subject to W C_tgt = V (Custom Diffusion, arXiv 2212.04488, eq. 4).

    W₀ (out, in), C_reg (in, r), C_tgt (in, s), V (out, s), float64. With G = C_reg C_regᵀ:
    W = W₀ + (V − W₀ C_tgt) (C_tgtᵀ G⁻¹ C_tgt)⁻¹ C_tgtᵀ G⁻¹. Constraints that contradict one another (equal columns of
    C_tgt with other values) are met in the least-squares sense.
    """
    g = regular @ regular.T
    g = g + 1e-8 * g.diagonal().mean() * torch.eye(len(g), dtype=g.dtype, device=g.device)
    solved = torch.linalg.solve(g, target)
    merged: Tensor = w0 + (values - w0 @ target) @ torch.linalg.pinv(target.T @ solved, rtol=1e-12) @ solved.T
    return merged


class Merge(Consolidation[Mergeable]):
    """Keeps the adapter of every task; after each, the model is the base plus the merged change."""

    name = "merge"
    requires: tuple[type, ...] = (Mergeable,)
    grows = True

    def __init__(self, options: MergeOptions) -> None:
        self.options = options
        if options.rule == "orthogonal":
            self.requires = (Mergeable, Steerable)
        self.pool: dict[str, dict[str, Tensor]] = {}

    def begin(self, trainer: Trainer[Mergeable], task: Task) -> None:
        """Start from the base model."""
        adapter = trainer.adapter
        apart = self.pool if self.options.rule == "orthogonal" else {}
        earlier = [_rows(adapter, state) for state in apart.values() if isinstance(adapter, Directed)]
        adapter.place({})
        adapter.reset(task.seed)
        if earlier and isinstance(adapter, Steerable):
            adapter.avoid({name: torch.cat([rows[name] for rows in earlier]) for name in earlier[0]})

    @torch.no_grad()
    def end(self, trainer: Trainer[Mergeable], task: Task, watch: Watch) -> dict[str, float]:
        """Keep the adapter of this task, and put the merged change in its place."""
        self.pool[task.subject.name] = trainer.adapter.state()
        changes = {name: self.change_of(trainer, state) for name, state in self.pool.items()}
        trainer.adapter.place({})
        if self.options.rule == "constrained":
            merged = self._constrained(trainer, task, changes)
        else:
            merged = (greatest if self.options.rule == "greatest" else average)(list(changes.values()))
        trainer.adapter.place(merged)
        return {}

    def change_of(self, trainer: Trainer[Mergeable], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The change (out, in) by layer of a kept adapter, which is loaded for this."""
        trainer.adapter.restore(state)
        return {name: w.detach().clone() for name, w in trainer.adapter.delta().items()}

    def _constrained(
        self, trainer: Trainer[Mergeable], task: Task, changes: Mapping[str, Changes]
    ) -> dict[str, Tensor]:
        """The closed form, layer by layer, with the text states of every concept's own words as targets.

        On the CPU: not every accelerator supports float64.
        """
        states = [self.word_states(trainer, task, trainer.known[name]) for name in changes]
        regular = self._regular(trainer, task)
        merged = {}
        for layer, w0 in trainer.adapter.base().items():
            w = w0.cpu().double()
            values = [(w + c[layer].cpu().double()) @ s for c, s in zip(changes.values(), states, strict=True)]
            merged[layer] = (constrained(w, regular, torch.cat(states, 1), torch.cat(values, 1)) - w).to(w0)
        return merged

    def word_states(self, trainer: Trainer[Mergeable], task: Task, subject: Subject) -> Tensor:
        """Text states (in, s) at the token and the noun of a concept, float64."""
        words = trainer.phrase(subject)
        prompt = task.prompt.format(words)
        where = trainer.backbone.readers[0].places(prompt, words)  # the same in all readers: all are of CLIP
        return trainer.backbone.embed([prompt]).states[0, where].T.cpu().double()

    def _regular(self, trainer: Trainer[Mergeable], task: Task) -> Tensor:
        """Text states (in, r) of the training prompt with words of the vocabulary, float64."""
        plain = trainer.backbone.readers[0].words()
        draw = torch.Generator().manual_seed(0)
        chosen = [plain[k] for k in torch.randperm(len(plain), generator=draw)[: self.options.captions].tolist()]
        prompts = [task.prompt.format(w) for w in chosen]
        parts = [trainer.backbone.embed(prompts[k : k + 32]).states for k in range(0, len(prompts), 32)]
        return torch.cat(parts).flatten(0, 1).T.cpu().double()

    def state(self) -> dict[str, Tensor]:
        """All adapters, as ``<concept>/<parameter>``."""
        return flatten(self.pool)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Load the adapters."""
        self.pool = unflatten(state)


def _rows(adapter: Directed, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    adapter.restore(state)
    return {name: rows.detach().clone() for name, rows in adapter.reads().items()}
