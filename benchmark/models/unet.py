"""Models whose network is a UNet with cross-attention: the toybox, Stable Diffusion 1.x and 2.x, and SDXL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from .latent import LatentModel
from .text import Text
from .weights import Params, call_with


@dataclass
class StableDiffusion(LatentModel):
    """Stable Diffusion 1.x or 2.x, which predicts the noise ε or the velocity v."""

    prefix = "unet"
    layers: ClassVar[Mapping[str, str]] = {"kv": r".*attn2\.to_[kv]", "attention": r".*attn[12]\.to_(q|k|v|out\.0)"}

    def _read(self, ids: Sequence[Tensor], params: Params | None) -> Text:
        (reader,), (own,) = self.readers, ids
        return Text(reader.read(own, params).last_hidden_state)

    def _call(self, z: Tensor, time: Tensor, text: Text, params: Params | None) -> Tensor:
        out: Tensor = call_with(self.network, "unet.", params, z, time, text.states, **self._more(text)).sample
        return out

    def _more(self, text: Text) -> dict[str, Any]:
        """What the UNet reads besides the states of the tokens."""
        return {}

    def target(self, z: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """The noise ε, or, of a model that predicts it, the velocity v = √ᾱ_t ε − √(1 - ᾱ_t) z (arXiv 2202.00512).

        All are (n, c, h, w), ``t`` is (n,). The error of v is that of ε divided by ᾱ_t.
        """
        if self.scheduler.config.prediction_type != "v_prediction":
            return noise
        velocity: Tensor = self.scheduler.get_velocity(z, noise, t)
        return velocity

    def min_snr(self, t: Tensor, most: float) -> Tensor:
        """min(1, γ / SNR), or of a model of v min(SNR, γ) / (SNR + 1), (n,) (arXiv 2303.09556, section 3.4).

        SNR = ᾱ_t / (1 − ᾱ_t) is the signal-to-noise ratio at ``t`` (n,), ``most`` is γ.
        """
        share = self.scheduler.alphas_cumprod.to(t.device)[t]
        ratio = share / (1 - share)
        velocity = self.scheduler.config.prediction_type == "v_prediction"
        weights: Tensor = ratio.clamp(max=most) / (ratio + 1) if velocity else (most / ratio).clamp(max=1)
        return weights

    def add_noise(self, z: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Noisy latents x_t = √ᾱ_t z + √(1 - ᾱ_t) ε of the shape of ``z`` (n, c, h, w); ``t`` is (n,)."""
        noisy: Tensor = self.scheduler.add_noise(z, noise, t)
        return noisy


@dataclass
class StableDiffusionXL(StableDiffusion):
    """SDXL: two text encoders, the pooled text of the second, and the size of pictures.

    ``empty``: whether the network reads the empty prompt, or zeros in its place, without a prompt.
    """

    empty: bool = False

    def _read(self, ids: Sequence[Tensor], params: Params | None) -> Text:
        found = [r.read(own, params, output_hidden_states=True) for r, own in zip(self.readers, ids, strict=True)]
        states = torch.cat([out.hidden_states[-2] for out in found], dim=-1)
        return Text(states, self.readers[-1].pooled(ids[-1], found[-1]))

    def _guided(self, prompts: Sequence[str], params: Params | None) -> Text:
        if self.empty or self.sampling.negative:
            return super()._guided(prompts, params)
        read, zero = self.embed(prompts, params), torch.zeros_like
        assert read.pooled is not None
        pooled = torch.cat([zero(read.pooled), read.pooled])
        return Text(torch.cat([zero(read.states), read.states]), pooled)

    def _more(self, text: Text) -> dict[str, Any]:
        """The pooled text, and the time ids: the size before cropping, the corner of the crop, and the size."""
        size = self.sampling.size
        ids = torch.tensor([[size, size, 0, 0, size, size]] * len(text), device=text.states.device)
        return {"added_cond_kwargs": {"text_embeds": text.pooled, "time_ids": ids.to(text.states.dtype)}}
