"""How a model computes, beside its device and number format."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any

from ..errors import unknown
from ..numbers import Choice, Range
from ..ranged import Ranged, in_range

INSPECTIONS = ("full", "cheap", "off")


@dataclass(frozen=True)
class Engine(Ranged):
    """What makes training and sampling faster, smaller, or the same each time; the default is plain.

    ``compile``: the network is compiled (``torch.compile``). ``channels_last``: the order of pixels and channels in
    memory that convolutions of GPUs prefer. ``deterministic``: only operations that give the same bits each time.
    ``checkpointing``: the network computes again in backward passes what it would keep. ``micro_batch``: the most
    pictures that go through the network at once in training; None: as many as a batch has, and fewer where memory is
    short. ``inspect``: what is looked at after each task: "full", "cheap" (the classification by noise, without
    gradients), or "off".
    """

    compile: bool = False
    channels_last: bool = False
    deterministic: bool = False
    checkpointing: bool = False
    micro_batch: Annotated[int, Range(1, 65_536)] | None = None
    inspect: Annotated[str, Choice(INSPECTIONS)] = INSPECTIONS[0]

    @property
    def named(self) -> dict[str, Any]:
        """What is not as in a plain one: a part of keys, since each decides the last bits or the figures."""
        return {name: value for name, value in asdict(self).items() if value != getattr(PLAIN, name)}


PLAIN = Engine()


def engine_of(given: Engine | Mapping[str, Any] | None) -> Engine:
    """An engine, also from its values by name; raises BadInput for a name or a value that it does not have."""
    if given is None or isinstance(given, Engine):
        return given or PLAIN
    known = [field.name for field in fields(Engine)]
    for name in given:
        if name not in known:
            raise unknown("engine option", name, known)
    return Engine(**dict(zip(given, in_range(Engine, **given), strict=True)))


def make_deterministic() -> None:
    """Let this process use only operations that give the same bits each time; others raise an error."""
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, products on a GPU may differ
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.enable_mem_efficient_sdp(False)  # its backward pass has no deterministic form
