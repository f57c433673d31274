"""ZipLoRA (Shah et al., 2023, arXiv 2311.13600): changes merged column by column with learned coefficients.

The paper merges two LoRAs; here each task merges those of all concepts. The coefficients are learned on noisy pictures
of the present task only, under the prompt of each concept: nothing is replayed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ...benchmark.models.text import Text
from ...benchmark.protocol import Task, Watch
from ..adapters.base import Mergeable
from ..options.merge import MergeOptions
from ..options.ziplora import ZipOptions
from ..scores import predict
from ..training import Phase, Step, Trainer
from .merge import Changes, Merge


def overlap(coefficients: Mapping[str, Tensor]) -> Tensor:
    """Σ_layers Σ_{i<j} |cos(m_i, m_j)|, the second term of their loss, from coefficients (n, in) by layer."""
    total = []
    for m in coefficients.values():
        unit = nn.functional.normalize(m, dim=1)
        total.append((unit @ unit.T).abs().triu(1).sum())
    return torch.stack(total).sum()


def zipped(changes: Tensor, m: Tensor) -> Tensor:
    """Σ_i ΔW_i diag(m_i), (out, in), from changes (n, out, in) and coefficients (n, in)."""
    return (changes * m[:, None, :]).sum(0)


class Zip(Merge):
    """Merges with coefficients under which each concept is predicted as by its own adapter."""

    name = "ziplora"

    def __init__(self, options: ZipOptions) -> None:
        super().__init__(MergeOptions())
        self.zip = options

    def end(self, trainer: Trainer[Mergeable], task: Task, watch: Watch) -> dict[str, float]:
        """Keep the adapter of this task, learn the coefficients, and place the merged change."""
        self.pool[task.subject.name] = trainer.adapter.state()
        changes = {name: self.change_of(trainer, state) for name, state in self.pool.items()}
        trainer.adapter.place({})
        layers = {layer: torch.stack([c[layer] for c in changes.values()]) for layer in trainer.adapter.base()}
        m = {layer: nn.Parameter(torch.ones(len(w), w.shape[2], device=w.device)) for layer, w in layers.items()}
        figures = self._learn(trainer, task, changes, layers, m, watch) if len(changes) > 1 else {}
        trainer.adapter.place({layer: zipped(w, m[layer].detach()) for layer, w in layers.items()})
        return figures

    def _learn(
        self,
        trainer: Trainer[Mergeable],
        task: Task,
        changes: Mapping[str, Changes],
        layers: Mapping[str, Tensor],
        m: Mapping[str, nn.Parameter],
        watch: Watch,
    ) -> dict[str, float]:
        def objective(step: Step) -> dict[str, Tensor]:
            with torch.no_grad():
                text = trainer.backbone.embed([task.prompt.format(trainer.phrase(trainer.known[c])) for c in changes])
                own = [_with(added, c, trainer, step, text[[k]]) for k, c in enumerate(changes.values())]
            added.update({layer: zipped(w, m[layer]) for layer, w in layers.items()})
            merged = predict(trainer, step, text, None)
            distance = (merged - torch.cat(own, 1)).square().mean()
            return {"distance": distance, "overlap": self.zip.overlap * overlap(m)}

        o = self.zip
        phase = Phase("zip", objective, [{"params": list(m.values()), "lr": o.rate}], o.iterations, o.batch)
        with changed_by(trainer, layers) as added:
            return trainer.optimise(task, phase, watch)


def _with(added: dict[str, Tensor], change: Changes, trainer: Trainer[Mergeable], step: Step, text: Text) -> Tensor:
    added.update(change)
    return predict(trainer, step, text, None)


@contextmanager
def changed_by(trainer: Trainer[Mergeable], layers: Iterable[str]) -> Iterator[dict[str, Tensor]]:
    """Within, ΔW x is added to the output of each layer of which there is a ΔW (out, in) in the dict.

    Gradients reach ΔW, which an override of weights would not ensure. What is in the dict must stay until after the
    backward pass: a network may compute its activations again in it.
    """
    change: dict[str, Tensor] = {}

    def adder(layer: str) -> Any:
        def add(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            w = change.get(layer)
            return output if w is None else output + nn.functional.linear(inputs[0], w.to(inputs[0].dtype))

        return add

    with ExitStack() as stack:
        for layer in layers:
            handle = trainer.backbone.network.get_submodule(layer).register_forward_hook(adder(layer))
            stack.callback(handle.remove)
        yield change
