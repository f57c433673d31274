"""Models whose network is a transformer that was trained by flow matching: Stable Diffusion 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from .latent import LatentModel
from .text import Text
from .weights import Params, call_with

LONGEST = 256
"""How many tokens of a prompt the third text encoder reads, T5."""


@dataclass
class StableDiffusion3(LatentModel):
    """Stable Diffusion 3 (arXiv 2403.03206): x_t = (1 − σ) z + σ ε, and the network predicts ε − z.

    Two text encoders of CLIP, and a third, T5, which may be missing; its states are then zeros.
    """

    prefix = "transformer"
    reads_text = False
    layers: ClassVar[Mapping[str, str]] = {
        "kv": r".*attn\.add_[kv]_proj",
        "attention": r".*attn2?\.(to_(q|k|v|out\.0)|add_(q|k|v)_proj|to_add_out)",
    }

    @property
    def grain(self) -> int:
        """What the size of pictures must be a multiple of: the network reads patches of latents."""
        return self.factor * int(self.network.config.patch_size)

    def _read(self, ids: Sequence[Tensor], params: Params | None) -> Text:
        found = [r.read(own, params, output_hidden_states=True) for r, own in zip(self.readers, ids, strict=True)]
        clip = torch.cat([out.hidden_states[-2] for out in found[:2]], dim=-1)
        pooled = [r.pooled(own, out) for r, own, out in zip(self.readers[:2], ids, found, strict=False)]
        width = int(self.network.config.joint_attention_dim)
        longer = found[2].last_hidden_state if len(found) == 3 else clip.new_zeros(len(clip), LONGEST, width)
        padded = F.pad(clip, (0, width - clip.shape[-1]))
        return Text(torch.cat([padded, longer.to(padded)], dim=-2), torch.cat(pooled, dim=-1))

    def _call(self, z: Tensor, time: Tensor, text: Text, params: Params | None) -> Tensor:
        out: Tensor = call_with(
            self.network,
            "transformer.",
            params,
            hidden_states=z,
            timestep=time.expand(len(z)),
            encoder_hidden_states=text.states,
            pooled_projections=text.pooled,
        ).sample
        return out

    def _sigma(self, t: Tensor) -> Tensor:
        """The share σ of the noise at ``t`` (n,), as (n, 1, 1, 1)."""
        sigmas: Tensor = self.scheduler.sigmas.flip(0).to(t.device)
        return sigmas[t].view(-1, 1, 1, 1)

    def _time(self, t: Tensor) -> Tensor:
        """The network reads σ as a number up to ``steps``."""
        return self._sigma(t).flatten() * self.steps

    def target(self, z: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """The velocity ε − z, (n, c, h, w)."""
        return noise - z

    def add_noise(self, z: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Noisy latents x_t = (1 − σ) z + σ ε of the shape of ``z`` (n, c, h, w); ``t`` is (n,)."""
        sigma = self._sigma(t).to(z)
        return (1 - sigma) * z + sigma * noise
