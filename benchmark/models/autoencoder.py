"""Between pictures and latents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..protocol import Pictures
from ..suite.spec import Sampling
from .feature_cache import FeatureCache

_PIXELS = 2**21
"""The most that the autoencoder reads or writes at once: 8 pictures of 512 by 512. It needs more memory for each than
the network does."""


def at_once(pixels: int) -> int:
    """How many pictures with so many pixels go through the autoencoder at once."""
    return max(1, _PIXELS // pixels)


class Autoencoded:
    """What the autoencoder of a latent diffusion model does; it computes outside mixed precision."""

    vae: Any
    sampling: Sampling
    device: torch.device
    latents: Callable[[Pictures], NDArray[Any]] | None

    @property
    def precision(self) -> torch.dtype:
        """What is computed outside mixed precision: float64 if the weights are float64, else float32."""
        return torch.float64 if next(self.vae.parameters()).dtype is torch.float64 else torch.float32

    @property
    def factor(self) -> int:
        """How many pixels a latent covers per side: 8 in Stable Diffusion."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    def keep_latents(self, folder: Path, key: str) -> None:
        """Keep the latents of pictures in a folder; ``key``: what decides their last bits, beside the autoencoder."""

        def found(pictures: Pictures) -> NDArray[Any]:
            return self._latents(pictures).contiguous().cpu().numpy()

        self.latents = FeatureCache(folder, found, f"latents {key}")

    def encode(self, pictures: Pictures) -> Tensor:
        """Scaled latents (n, c, h/8, w/8) of uint8 pictures (n, h, w, 3)."""
        if self.latents is not None:
            return torch.from_numpy(self.latents(pictures)).to(self.device)
        return self._latents(pictures)

    def _latents(self, pictures: Pictures) -> Tensor:
        n = at_once(pictures.shape[1] * pictures.shape[2])
        return torch.cat([self._encoded(pictures[k : k + n]) for k in range(0, len(pictures), n)])

    @torch.no_grad()
    def _encoded(self, pictures: Pictures) -> Tensor:
        x = torch.from_numpy(pictures.copy()).to(self.device).permute(0, 3, 1, 2).to(self.precision) / 127.5 - 1
        out = self.vae.encode(x)
        latents: Tensor = out.latent_dist.mode() if hasattr(out, "latent_dist") else out.latents
        scaled: Tensor = (latents - self._shift if self._shift else latents) * self.vae.config.scaling_factor
        return scaled

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Pictures:
        """Pictures, uint8 (n, 8h, 8w, 3), of scaled latents (n, c, h, w)."""
        n = at_once(self.factor**2 * latents.shape[2] * latents.shape[3])
        return np.concatenate([self._decoded(latents[k : k + n]) for k in range(0, len(latents), n)])

    def _decoded(self, latents: Tensor) -> Pictures:
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
        parts = [self.decode(self._latents(full[k : k + n])) for k in range(0, len(full), n)]
        return np.concatenate(parts)[: len(pictures)]
