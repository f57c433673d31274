"""All entries of the keys and values of cross-attention (Custom Diffusion, Kumari et al., arXiv 2212.04488)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ...benchmark.models.backbone import Backbone, Params


class KeysValues:
    """The weights W of to_k and to_v themselves; the change is counted from the weights W₀ of the base model."""

    def __init__(self, backbone: Backbone, seed: int) -> None:
        modules, kv = backbone.network.named_modules(), backbone.layers["kv"]
        self.prefix = f"{backbone.prefix}."
        self.params: dict[str, nn.Parameter] = {}
        self.origin: dict[str, Tensor] = {}
        for name, layer in [(name, m) for name, m in modules if re.fullmatch(kv, name)]:
            w = layer.weight.detach().to(backbone.precision)  # shared with other copies of the model
            layer.weight = nn.Parameter(w.clone())
            self.params[f"{self.prefix}{name}.weight"], self.origin[f"{self.prefix}{name}.weight"] = layer.weight, w
        self.start = dict(self.origin)

    def delta(self) -> dict[str, Tensor]:
        """W − (what was folded) by layer; differentiable."""
        return {self._layer(name): p - self.start[name] for name, p in self.params.items()}

    def reads(self) -> dict[str, Tensor]:
        """The rows of the change itself."""
        return self.delta()

    def folded(self) -> dict[str, Tensor]:
        """What was folded or placed, minus W₀; only layers where it is not W₀ itself."""
        changed = {k: w for k, w in self.start.items() if w is not self.origin[k]}
        return {self._layer(k): w - self.origin[k] for k, w in changed.items()}

    def fold(self) -> None:
        """Count the change from the present weights on."""
        self.start = {name: p.detach().clone() for name, p in self.params.items()}

    @torch.no_grad()
    def reset(self, seed: int) -> None:
        """Go back to what was folded or placed."""
        for name, p in self.params.items():
            p.copy_(self.start[name])

    def base(self) -> dict[str, Tensor]:
        """W₀ by layer, (out, in)."""
        return {self._layer(name): w for name, w in self.origin.items()}

    @torch.no_grad()
    def place(self, change: Mapping[str, Tensor]) -> None:
        """Set the weights to W₀ plus ``change``, which counts as folded."""
        for name, p in self.params.items():
            w = change.get(self._layer(name))
            self.start[name] = self.origin[name] if w is None else self.origin[name] + w
            p.copy_(self.start[name])

    def total(self, states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """W₀ plus W − W₀ of each state."""
        return {name: sum([state[name] - w for state in states], w) for name, w in self.origin.items()}

    def scaled(self, strength: float, weights: Params | None = None) -> Params:
        """W₀ plus ``strength`` times the change of the weights, or of others to override them with."""
        own = self.params if weights is None else weights
        return {name: w + strength * (own[name] - w) for name, w in self.origin.items()}

    def state(self) -> dict[str, Tensor]:
        """The present weights, and what was folded where that differs from the pretrained model."""
        own = {name: p.detach().clone() for name, p in self.params.items()}
        return own | {f"past.{k}": w for k, w in self.start.items() if w is not self.origin[k]}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Load both."""
        for name, p in self.params.items():
            p.copy_(state[name])
            self.start[name] = state[f"past.{name}"].to(p.device) if f"past.{name}" in state else self.origin[name]

    def _layer(self, parameter: str) -> str:
        return parameter.removeprefix(self.prefix).removesuffix(".weight")
