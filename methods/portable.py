"""What a learner draws with, as other programs can hold it: changes of layers by concept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..benchmark.models.backbone import Params
from ..benchmark.models.low_rank import LowRank
from .adapters.base import Factored, Foldable, Weighted
from .learner import Learner


@dataclass(frozen=True)
class Drawn:
    """What some concepts are drawn with: the whole change of each layer, as factors or as a matrix (out, in).

    ``layers``: by the name of a layer of the network (``down_blocks.0…``) or of a text encoder (``text.…``).
    """

    concepts: tuple[str, ...]
    layers: Mapping[str, LowRank | Tensor]


def drawn(learner: Learner) -> list[Drawn]:
    """The changes by the concepts that are drawn with them: one for all concepts, unless each has its own."""
    groups: dict[int, tuple[list[str], Params | None]] = {}
    for subject in learner.known.values():
        own = next(iter(learner.override((subject,))), None)
        groups.setdefault(id(own), ([], own))[0].append(subject.name)
    return [Drawn(tuple(names), _layers(learner, own)) for names, own in groups.values()]


@torch.no_grad()
def _layers(learner: Learner, state: Params | None) -> Mapping[str, LowRank | Tensor]:
    """The change of the present adapter, or of another of its states, which replaces the present one."""
    adapter = learner.adapter
    if state is not None:
        adapter.restore(state)
    if not isinstance(adapter, Weighted):
        return {}
    past = adapter.folded() if isinstance(adapter, Foldable) else {}
    if not past and isinstance(adapter, Factored):
        return adapter.factors()
    return {name: past[name] + w if name in past else w.clone() for name, w in adapter.delta().items()}
