"""Between pictures and latents."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..protocol import Pictures
from ..suite.spec import Sampling


class Autoencoded:
    """What the autoencoder of a latent diffusion model does; it computes outside mixed precision."""

    vae: Any
    sampling: Sampling
    device: torch.device

    @property
    def precision(self) -> torch.dtype:
        """What is computed outside mixed precision: float64 if the weights are float64, else float32."""
        raise NotImplementedError

    @property
    def factor(self) -> int:
        """How many pixels a latent covers per side: 8 in Stable Diffusion."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @torch.no_grad()
    def encode(self, pictures: Pictures) -> Tensor:
        """Scaled latents (n, c, h/8, w/8) of uint8 pictures (n, h, w, 3)."""
        x = torch.from_numpy(pictures.copy()).to(self.device).permute(0, 3, 1, 2).to(self.precision) / 127.5 - 1
        out = self.vae.encode(x)
        latents: Tensor = out.latent_dist.mode() if hasattr(out, "latent_dist") else out.latents
        scaled: Tensor = (latents - self._shift if self._shift else latents) * self.vae.config.scaling_factor
        return scaled

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Pictures:
        """Pictures, uint8 (n, 8h, 8w, 3), of scaled latents (n, c, h, w)."""
        x = self.decoded(latents).round().to(torch.uint8).permute(0, 2, 3, 1)
        return np.ascontiguousarray(x.cpu().numpy())

    @torch.no_grad()
    def decoded(self, latents: Tensor) -> Tensor:
        """Pixels in [0, 255] before they are rounded, (n, 3, 8h, 8w), of scaled latents (n, c, h, w)."""
        z = latents.to(self.precision) / self.vae.config.scaling_factor
        x: Tensor = self.vae.decode(z + self._shift if self._shift else z).sample
        return (x.clamp(-1, 1) + 1) * 127.5

    @property
    def _shift(self) -> float:
        return float(getattr(self.vae.config, "shift_factor", None) or 0.0)

    def reconstruct(self, pictures: Pictures) -> Pictures:
        """Pictures (n, h, w, 3), encoded and decoded by the autoencoder.

        Runs in batches of the sampling size, the last one padded: another batch size could round differently.
        """
        n = self.sampling.batch
        full = np.concatenate([pictures, np.zeros((-len(pictures) % n, *pictures.shape[1:]), np.uint8)])
        parts = [self.decode(self.encode(full[k : k + n])) for k in range(0, len(full), n)]
        return np.concatenate(parts)[: len(pictures)]
