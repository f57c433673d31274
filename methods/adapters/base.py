"""Adapters: which weights of the network change while a concept is learned, and what else an adapter can do.

Every adapter is an :class:`Adapter`. What only some can do is a capability, a protocol of its own below. The first
line of its docstring completes the sentence "needs an adapter that …", which people read when it is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from ...benchmark.models.backbone import Backbone, Params
from ...benchmark.models.low_rank import LowRank


class Adapter(Protocol):
    """Trainable parameters that are saved between tasks."""

    @property
    def params(self) -> dict[str, nn.Parameter]:
        """The trainable parameters by full name (``unet.…``)."""
        ...

    def reset(self, seed: int) -> None:
        """Draw new first values, without any change to the network; what was folded or placed stays."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All tensors to save: the parameters by the names in ``params``, and what was folded or placed."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Load what :meth:`state` returned."""
        ...


@runtime_checkable
class Weighted(Adapter, Protocol):
    """Trains weights of the network."""

    def delta(self) -> dict[str, Tensor]:
        """The change of each adapted weight matrix, (out, in) by layer; differentiable."""
        ...


@runtime_checkable
class Foldable(Weighted, Protocol):
    """Folds its change into the base weights."""

    def folded(self) -> dict[str, Tensor]:
        """The sum of the changes folded or placed so far, (out, in) by layer; empty where there are none."""
        ...

    def fold(self) -> None:
        """Add the present change to the base weights: the network computes the same, and delta becomes zero."""
        ...


@runtime_checkable
class Mergeable(Weighted, Protocol):
    """Puts any change in the place of its own."""

    def base(self) -> dict[str, Tensor]:
        """The pretrained weight of each adapted matrix, (out, in) by layer."""
        ...

    def place(self, change: Mapping[str, Tensor]) -> None:
        """Set the weights to the pretrained ones plus ``change`` (by layer; empty: the base model); delta is zero."""
        ...


@runtime_checkable
class Directed(Weighted, Protocol):
    """Lists the input directions that its change reads."""

    def reads(self) -> dict[str, Tensor]:
        """Rows (r, in) that span the input directions read by the change of each layer; differentiable."""
        ...


@runtime_checkable
class Steerable(Directed, Protocol):
    """Starts in input directions orthogonal to given ones (LoRA does)."""

    def avoid(self, rows: Mapping[str, Tensor]) -> None:
        """Make what a new adapter reads orthogonal to ``rows`` (r', in) by layer; BadInput where none are left."""
        ...


@runtime_checkable
class Additive(Weighted, Protocol):
    """Adds up the changes of several of its states."""

    def total(self, states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """The pretrained weights plus the changes of ``states`` (none: the pretrained model), to override with."""
        ...


@runtime_checkable
class Factored(Weighted, Protocol):
    """Writes its change as factors."""

    def factors(self) -> dict[str, LowRank]:
        """The change by layer, without what was folded or placed."""
        ...


@runtime_checkable
class Scalable(Weighted, Protocol):
    """Draws with more or less of its change."""

    def scaled(self, strength: float, weights: Params | None = None) -> Params:
        """What to override the weights with for ``strength`` times the change from the pretrained ones.

        ``weights``: others than the present ones, as they would override these.
        """
        ...


class Tokens:
    """No weights of the network: only the new token is learned (Textual Inversion, arXiv 2208.01618)."""

    def __init__(self, backbone: Backbone, seed: int) -> None:
        self.params: dict[str, nn.Parameter] = {}

    def reset(self, seed: int) -> None:
        """Nothing to draw."""

    def state(self) -> dict[str, Tensor]:
        """Nothing to save."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Nothing to load."""
