"""Low-rank adapters made by peft: what they share, and LoRA."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import peft
import torch
from torch import Tensor, nn

from ...benchmark.errors import BadInput
from ...benchmark.models.backbone import Backbone, Params
from ...benchmark.models.low_rank import LowRank
from ..options.lora import LoraOptions as LoraOptions  # a plug-in has it from here

TEXT_LAYERS = r".*self_attn\.(q|k|v|out)_proj"
"""The projections of attention in text encoders of CLIP."""


def widest_rank(backbone: Backbone, targets: str = "kv") -> int:
    """The greatest rank whose rows can be independent: the fewest dimensions that an adapted layer reads."""
    named = backbone.network.named_modules()
    return min(int(module.in_features) for name, module in named if re.fullmatch(backbone.layers[targets], name))


def _matching(module: nn.Module, pattern: str) -> bool:
    """Whether a module has layers with such names."""
    return any(re.fullmatch(pattern, name) for name, _ in module.named_modules())


def check_rank(rank: int, backbone: Backbone, targets: str = "kv") -> None:
    """Raise BadInput for a rank of LoRA above :func:`widest_rank`."""
    if rank > (width := widest_rank(backbone, targets)):
        raise BadInput(f"lora.rank {rank}: the layers of {backbone.name} read {width} dimensions; give 1 to {width}.")


class PeftAdapter:
    """What LoRA and VeRA share: one delta per layer, a sum of folded changes, and exact reloading.

    A subclass defines how its parameters start (:meth:`draw`), how its change becomes zero (:meth:`clear`), and the
    name of the factor that it is linear in and that is applied ``last``.
    """

    last: ClassVar[str]

    def __init__(
        self, backbone: Backbone, config: peft.PeftConfig, kind: type[nn.Module], *, text: peft.PeftConfig | None = None
    ) -> None:
        """``config``: what of the network changes, in layers of the ``kind``; ``text``: what of the text encoders."""
        configs = {backbone.prefix: config}
        if text is not None:
            configs |= {r.name: text for r in backbone.readers if _matching(r.encoder, text.target_modules)}
        self.prefix, self.precision = backbone.prefix, backbone.precision
        self.layers: dict[str, Any] = {}
        self.params: dict[str, nn.Parameter] = {}
        for part, own in ((part, own) for part, own in configs.items() if own is not None):
            module, place = backbone.modules[part], "" if part == self.prefix else f"{part}."
            with torch.random.fork_rng(), warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # peft uses an old name of transformers
                peft.get_peft_model(module, own)  # its first values are of the global generator; reset() replaces them
            adapted = {name: m for name, m in module.named_modules() if isinstance(m, kind)}
            self.layers |= {f"{place}{name}": m for name, m in adapted.items()}
            trained = {f"{part}.{name}.{n}": p for name, m in adapted.items() for n, p in m.named_parameters()}
            self.params |= {name: p for name, p in trained.items() if p.requires_grad}
        for p in self.params.values():
            p.data = p.data.to(self.precision)
        self.origin = {name: layer.get_base_layer().weight.detach() for name, layer in self.layers.items()}
        self.past: dict[str, Tensor] = {}

    def draw(self, layer: Any, generator: torch.Generator) -> None:
        """Set the parameters of a layer to their first values; its change need not be zero yet."""
        raise NotImplementedError

    def clear(self, layer: Any) -> None:
        """Make the change of a layer zero."""
        raise NotImplementedError

    def delta(self) -> dict[str, Tensor]:
        """ΔW by layer, (out, in); differentiable."""
        return {name: layer.get_delta_weight("default") for name, layer in self.layers.items()}

    def reads(self) -> dict[str, Tensor]:
        """The rows of A (VeRA: of diag(d) A), (r, in) by layer; differentiable."""
        return {name: self.rows(layer) for name, layer in self.layers.items()}

    def rows(self, layer: Any) -> Tensor:
        """The rows of one layer."""
        raise NotImplementedError

    def folded(self) -> dict[str, Tensor]:
        """The sum of the folded or placed changes by layer."""
        return self.past

    @torch.no_grad()
    def fold(self) -> None:
        """Add the present change to the base weights, and make it zero."""
        change = self.delta()
        self.past = {name: self.past.get(name, torch.zeros_like(w)) + w for name, w in change.items()}
        self._rebase()
        for layer in self.layers.values():
            self.clear(layer)

    @torch.no_grad()
    def reset(self, seed: int) -> None:
        """Draw new parameters, on the CPU so that every device gets the same; the change is zero."""
        generator = torch.Generator().manual_seed(seed)
        for layer in self.layers.values():
            self.draw(layer, generator)
            self.clear(layer)

    def base(self) -> dict[str, Tensor]:
        """The pretrained weights, (out, in) by layer."""
        return self.origin

    @torch.no_grad()
    def place(self, change: Mapping[str, Tensor]) -> None:
        """Set the weights to the pretrained ones plus ``change``; the adapter's own change becomes zero."""
        self.past = dict(change)
        self._rebase()
        for layer in self.layers.values():
            self.clear(layer)

    @torch.no_grad()
    def total(self, states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Base weights with the sum of the changes of ``states``, and parameters that change nothing."""
        present, changes = self.state(), [self._change(state) for state in states]
        self.place({name: torch.stack([change[name] for change in changes]).sum(0) for name in self.layers if changes})
        found = {name: p.detach().clone() for name, p in self.params.items()}
        for name, layer in self.layers.items():
            found[self._base(name)] = layer.get_base_layer().weight.detach().clone()
        self.restore(present)
        return found

    @torch.no_grad()
    def scaled(self, strength: float, weights: Params | None = None) -> Params:
        """The weights, or others to override them with, whose whole change is multiplied by ``strength``."""
        found: dict[str, Tensor] = dict(self.params if weights is None else weights)
        for name, layer in self.layers.items():
            own = self._base(name)
            if own in found or name in self.past:
                base = found.get(own, layer.get_base_layer().weight)
                found[own] = self.origin[name] + strength * (base - self.origin[name])
            last = next(key for key in self.params if key.startswith(f"{self._place(name)}{self.last}"))
            found[last] = strength * found[last]
        return found

    def _place(self, layer: str) -> str:
        """How the names of the parameters of a layer begin."""
        return f"{layer}." if layer.startswith("text") else f"{self.prefix}.{layer}."

    def _base(self, layer: str) -> str:
        """The full name of the base weight of a layer."""
        return f"{self._place(layer)}base_layer.weight"

    def _change(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The whole change of a state, which replaces the present one."""
        self.restore(state)
        return {name: self.past[name] + w if name in self.past else w for name, w in self.delta().items()}

    def _rebase(self) -> None:
        """Base weight = original + past: always from the original, so that a reload is exact to the last bit.

        The original is shared with other copies of the model: it is replaced, and never changed.
        """
        for name, layer in self.layers.items():
            w, origin, base = self.past.get(name), self.origin[name], layer.get_base_layer()
            weight = origin if w is None else origin.to(self.precision) + w
            base.weight = nn.Parameter(
                weight.to(base.weight.device), requires_grad=False
            )  # changes need all their bits

    def state(self) -> dict[str, Tensor]:
        """The parameters, and the sum of the folded changes."""
        own = {name: p.detach().clone() for name, p in self.params.items()}
        return own | {f"past.{name}": w for name, w in self.past.items()}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Load parameters and folded changes."""
        for name, p in self.params.items():
            p.copy_(state[name])
        self.past = {k.removeprefix("past."): v.to(p.device) for k, v in state.items() if k.startswith("past.")}
        self._rebase()


class Lora(PeftAdapter):
    """ΔW = (α/r) B A with both factors trained (LoRA, arXiv 2106.09685)."""

    last = "lora_B"

    def __init__(self, backbone: Backbone, seed: int, options: LoraOptions) -> None:
        check_rank(options.rank, backbone, options.targets)
        config = partial(peft.LoraConfig, r=options.rank, lora_alpha=options.alpha)
        network = config(target_modules=backbone.layers[options.targets])
        text = config(target_modules=TEXT_LAYERS) if options.text else None
        super().__init__(backbone, network, peft.tuners.lora.Linear, text=text)
        self.alpha = float(options.alpha)
        self.reset(seed)

    def draw(self, layer: Any, generator: torch.Generator) -> None:
        """Draw A from the uniform distribution that peft uses."""
        a = layer.lora_A["default"].weight
        a.copy_(nn.init.kaiming_uniform_(torch.empty(a.shape), a=math.sqrt(5), generator=generator))

    def rows(self, layer: Any) -> Tensor:
        """The rows of A itself."""
        a: Tensor = layer.lora_A["default"].weight
        return a

    @torch.no_grad()
    def avoid(self, rows: Mapping[str, Tensor]) -> None:
        """Project A onto the complement of ``rows``, each row as long as before; on the CPU, in float64."""
        for name, layer in self.layers.items():
            a = self.rows(layer)
            if len(rows[name]) + len(a) > a.shape[1]:
                raise BadInput(
                    f"{len(a)} rows do not fit beside {len(rows[name])} earlier ones in {a.shape[1]} dimensions; lower "
                    "lora.rank, or choose another merge.rule."
                )
            own, q = a.cpu().double(), torch.linalg.qr(rows[name].cpu().double().T).Q
            turned = own - own @ q @ q.T
            a.copy_(turned * (own.norm(dim=1) / turned.norm(dim=1))[:, None])

    @torch.no_grad()
    def factors(self) -> dict[str, LowRank]:
        """A, B and α as they are."""
        each = {name: (self.rows(layer), layer.lora_B["default"].weight) for name, layer in self.layers.items()}
        return {name: LowRank(a.detach().clone(), b.detach().clone(), self.alpha) for name, (a, b) in each.items()}

    def clear(self, layer: Any) -> None:
        """Set B to zero."""
        layer.lora_B["default"].weight.zero_()
