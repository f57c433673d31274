"""Adapters: which weights of the backbone may move while a concept is learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor, nn


class Adapter(Protocol):
    """Trainable weights in the UNet, and the change they make to it."""

    @property
    def params(self) -> dict[str, nn.Parameter]:
        """The trainable parameters by full name (``unet.…``)."""
        ...

    def delta(self) -> dict[str, Tensor]:
        """The change of each adapted weight matrix, (out, in) by layer; differentiable."""
        ...

    def reads(self) -> dict[str, Tensor]:
        """Rows (r, in) that span what the change of each layer reads of its input; differentiable."""
        ...

    def folded(self) -> dict[str, Tensor]:
        """The sum of the changes folded or placed so far, (out, in) by layer; empty where there are none."""
        ...

    def fold(self) -> None:
        """Make the present function the new base: delta becomes zero, the function stays."""
        ...

    def reset(self, seed: int) -> None:
        """Start afresh: delta becomes zero; what was folded or placed stays."""
        ...

    def avoid(self, rows: Mapping[str, Tensor]) -> None:
        """Make what a fresh adapter reads orthogonal to ``rows`` (r', in) by layer; raises BadInput where it cannot."""
        ...

    def base(self) -> dict[str, Tensor]:
        """The pretrained weight of each adapted matrix, (out, in) by layer."""
        ...

    def place(self, change: Mapping[str, Tensor]) -> None:
        """Make the function that of the pretrained weights plus ``change`` (by layer; nothing: the base model)."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All tensors that must be kept, those folded away included."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Become what :meth:`state` gave."""
        ...


class Tokens:
    """No weights at all: only the new token is learned (Textual Inversion, arXiv 2208.01618)."""

    def __init__(self) -> None:
        self.params: dict[str, nn.Parameter] = {}

    def delta(self) -> dict[str, Tensor]:
        """Nothing changes."""
        return {}

    def reads(self) -> dict[str, Tensor]:
        """Nothing is read."""
        return {}

    def folded(self) -> dict[str, Tensor]:
        """Nothing was folded."""
        return {}

    def fold(self) -> None:
        """There is nothing to fold."""

    def reset(self, seed: int) -> None:
        """There is nothing to draw."""

    def avoid(self, rows: Mapping[str, Tensor]) -> None:
        """Nothing is read."""

    def base(self) -> dict[str, Tensor]:
        """No weights are adapted."""
        return {}

    def place(self, change: Mapping[str, Tensor]) -> None:
        """There is nowhere to place it."""

    def state(self) -> dict[str, Tensor]:
        """There is nothing to keep."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """There is nothing to restore."""
