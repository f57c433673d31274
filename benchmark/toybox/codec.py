"""The toybox autoencoder: the PCA of patches, with a convolutional residual in the encoder and in the decoder.

A picture (3, 64, 64) in [-1, 1] becomes latents (16, 8, 8). The linear path is the PCA of 8 × 8 patches; the residual
networks start at zero, so training starts from the quality of PCA. The class has the interface of ``AutoencoderTiny``
in diffusers, so a ``StableDiffusionPipeline`` accepts it as its ``vae``.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTinyOutput
from diffusers.models.autoencoders.vae import DecoderOutput
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional as F

PATCH = 8


class _Residual(nn.Module):
    """A pre-normalised convolutional residual block that starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        _zero(self.second)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(F.silu(self.first(F.silu(self.norm(x)))))
        return x + y


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None  # every layer here has one
    return layer.bias


def _zero(layer: nn.Conv2d) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(_bias(layer))


def _conv(a: int, b: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(a, b, 3, stride=stride, padding=1)


class PatchCodec(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """An autoencoder of pictures (n, 3, 64, 64) in [-1, 1] with latents (n, 16, 8, 8)."""

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        latent_channels: int = 16,
        width: int = 64,
        scaling_factor: float = 1.0,
        shift_factor: float = 0.0,
        block_out_channels: tuple[int, ...] = (1, 1, 1, 1),
    ) -> None:
        """Pipelines read from the length of ``block_out_channels`` that a latent covers 2**3 pixels per side."""
        super().__init__()
        k, w = latent_channels, width
        self.linear_in = nn.Conv2d(3 * PATCH**2, k, 1)
        self.linear_out = nn.Conv2d(k, 3 * PATCH**2, 1)
        head, tail = nn.Conv2d(2 * w, k, 1), _conv(w, 48)
        _zero(head)
        _zero(tail)
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(4), _conv(48, w), _Residual(w), _conv(w, 2 * w, 2), _Residual(2 * w), nn.SiLU(), head
        )
        self.decoder = nn.Sequential(
            *(_conv(k, 2 * w), _Residual(2 * w), _Residual(2 * w), _conv(2 * w, 4 * w), nn.PixelShuffle(2)),
            *(_Residual(w), _Residual(w), _Residual(w), nn.SiLU(), tail, nn.PixelShuffle(4)),
        )

    def encode(self, x: Tensor, return_dict: bool = True) -> Any:
        """Latents (n, 16, h/8, w/8) of pictures (n, 3, h, w)."""
        z = self.linear_in(F.pixel_unshuffle(x, PATCH)) + self.encoder(x)
        return AutoencoderTinyOutput(latents=z) if return_dict else (z,)

    def decode(self, z: Tensor, generator: torch.Generator | None = None, return_dict: bool = True) -> Any:
        """Pictures (n, 3, 8h, 8w) of latents (n, 16, h, w); deterministic, so ``generator`` is ignored."""
        x = F.pixel_shuffle(self.linear_out(z), PATCH) + self.decoder(z)
        return DecoderOutput(sample=x) if return_dict else (x,)

    @torch.no_grad()
    def fit_linear(self, pictures: Tensor, power: float = 0.6) -> None:
        """Set the linear path to the PCA of the patches of ``pictures`` (n, 3, 64, 64).

        ``power`` in [0, 1] is the degree of whitening: with 1 all components have the same variance, with 0 that of
        the pixels.
        """
        k = int(self.config.latent_channels)
        patches = F.pixel_unshuffle(pictures, PATCH).permute(0, 2, 3, 1).reshape(-1, 3 * PATCH**2).double()
        mean = patches.mean(0)
        variance, basis = torch.linalg.eigh(torch.cov((patches - mean).T))
        deviation, basis = variance.flip(0)[:k].sqrt(), basis.flip(1)[:, :k]
        scale = deviation**power * deviation.mean() ** (1 - power)
        self.linear_in.weight.copy_((basis / scale).T[..., None, None])
        _bias(self.linear_in).copy_(-(mean @ (basis / scale)))
        self.linear_out.weight.copy_((basis * scale)[..., None, None])
        _bias(self.linear_out).copy_(mean)
