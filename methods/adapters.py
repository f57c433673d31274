"""Adapters: which weights of the backbone may move while a concept is learned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import peft
import torch
from torch import Tensor, nn

from ..benchmark.backbone import Backbone

_KEYS_AND_VALUES = r".*attn2\.to_[kv]"


class Adapter(Protocol):
    """Trainable weights in the UNet, and the change they make to it."""

    @property
    def params(self) -> dict[str, nn.Parameter]:
        """The trainable parameters by full name (``unet.…``)."""
        ...

    def delta(self) -> dict[str, Tensor]:
        """The change of each adapted weight matrix, (out, in) by layer; differentiable."""
        ...

    def fold(self) -> None:
        """Make the present function the new base: delta becomes zero, the function stays."""
        ...

    def reset(self, seed: int) -> None:
        """Start afresh: delta becomes zero; what was folded stays."""
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

    def fold(self) -> None:
        """There is nothing to fold."""

    def reset(self, seed: int) -> None:
        """There is nothing to draw."""

    def state(self) -> dict[str, Tensor]:
        """There is nothing to keep."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """There is nothing to restore."""


@dataclass(frozen=True)
class LoraOptions:
    """Rank r and scale α of the low-rank change."""

    rank: int = 32
    alpha: float = 32.0


class Lora:
    """Low-rank change of the keys and values of cross-attention (LoRA, arXiv 2106.09685): ΔW = (α/r) B A."""

    def __init__(self, backbone: Backbone, seed: int, options: LoraOptions) -> None:
        config = peft.LoraConfig(r=options.rank, lora_alpha=options.alpha, target_modules=_KEYS_AND_VALUES)
        peft.get_peft_model(backbone.unet, config)
        self.layers: dict[str, Any] = {
            name: layer for name, layer in backbone.unet.named_modules() if isinstance(layer, peft.tuners.lora.Linear)
        }
        self.params = {f"unet.{name}": p for name, p in backbone.unet.named_parameters() if p.requires_grad}
        for p in self.params.values():
            p.data = p.data.float()
        self.origin = {name: layer.get_base_layer().weight.detach().clone() for name, layer in self.layers.items()}
        self.past: dict[str, Tensor] = {}
        self.reset(seed)

    def delta(self) -> dict[str, Tensor]:
        """(α/r) B A by layer; differentiable."""
        return {name: layer.get_delta_weight("default") for name, layer in self.layers.items()}

    @torch.no_grad()
    def fold(self) -> None:
        """Keep the sum of all changes so far in the base weights, and set B to zero."""
        change = self.delta()
        self.past = {name: self.past.get(name, torch.zeros_like(w)) + w for name, w in change.items()}
        self._rebase()
        for layer in self.layers.values():
            layer.lora_B["default"].weight.zero_()

    @torch.no_grad()
    def reset(self, seed: int) -> None:
        """Draw new factors: A uniform as in peft, drawn on the CPU so that every device gets the same; B zero."""
        generator = torch.Generator().manual_seed(seed)
        for layer in self.layers.values():
            a = layer.lora_A["default"].weight
            a.copy_(nn.init.kaiming_uniform_(torch.empty(a.shape), a=math.sqrt(5), generator=generator))
            layer.lora_B["default"].weight.zero_()

    def _rebase(self) -> None:
        """Base weight = original + past: always from the original, so a reload is exact to the last bit."""
        for name, w in self.past.items():
            base = self.layers[name].get_base_layer().weight
            base.copy_((self.origin[name].float() + w).to(base))

    def state(self) -> dict[str, Tensor]:
        """The factors, and the sum of the folded changes."""
        factors = {name: p.detach().clone() for name, p in self.params.items()}
        return factors | {f"past.{name}": w for name, w in self.past.items()}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Load factors and folded changes."""
        for name, p in self.params.items():
            p.copy_(state[name])
        self.past = {k.removeprefix("past."): v.to(p.device) for k, v in state.items() if k.startswith("past.")}
        self._rebase()
