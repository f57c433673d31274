"""What frozen text encoders make of prompts, computed once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from .text import Text

MOST = 64
"""How many lists of prompts are kept."""


@dataclass
class TextCache:
    """The last texts of lists of prompts, while they are :meth:`keeping` and nothing of the encoders is trained.

    What is found is what was computed for the same list, so that it has the same bits.
    """

    on: bool = False
    kept: OrderedDict[tuple[str, ...], Text] = field(default_factory=OrderedDict)
    state: Sequence[tuple[Tensor, int]] = ()

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Within, texts are kept; before and after there are none, since code of others may change what it wants."""
        before, self.on = self.on, True
        try:
            yield
        finally:
            self.on = before
            self.kept.clear()

    def of(self, prompts: Sequence[str], encoders: Sequence[nn.Module], read: Callable[[], Text]) -> Text:
        """The text of a list of prompts; ``read`` computes it where it is not kept."""
        if not self.on or any(_unsteady(encoder) for encoder in encoders):
            return read()
        self._renew(encoders)
        key = tuple(prompts)
        if key not in self.kept:
            self.kept[key] = read()
        self.kept.move_to_end(key)
        while len(self.kept) > MOST:
            self.kept.popitem(last=False)
        return self.kept[key]

    def _renew(self, encoders: Sequence[nn.Module]) -> None:
        """Forget everything if a tensor was replaced, or written to, since the last call."""
        now = [tensor for encoder in encoders for tensor in encoder.state_dict(keep_vars=True).values()]
        same = len(now) == len(self.state) and all(
            tensor is before and tensor._version == version
            for tensor, (before, version) in zip(now, self.state, strict=True)
        )
        if not same:
            self.kept.clear()
            self.state = [(tensor, tensor._version) for tensor in now]


def _unsteady(encoder: nn.Module) -> bool:
    """Whether an encoder is trained, or could give another output for the same input: by a hook, or by dropout."""
    return any(map(_changing, encoder.modules())) or any(p.requires_grad for p in encoder.parameters())


def _changing(module: nn.Module) -> Any:
    return module.training or module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module)
