"""Trains the toybox model from scratch, in stages that resume where they stopped (``cpbench pretrain``)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import BadInput
from ..numbers import Count, Range
from ..plain_json import json_text
from ..ranged import Ranged
from ..toybox.captions import random_scene
from ..toybox.parts import Parts, Size, build_parts
from ..toybox.weights import write_weights
from ..toybox.world import Picture
from .contrast import ClipRecipe, pretrain_clip
from .stage import UPDATES, Rate, Schedule, Seed, Share, Stage, StageStep, Updates


@dataclass(frozen=True)
class PretrainOptions(Ranged):
    """The settings of pretraining; with the code they decide the weights."""

    seed: Seed = 0
    pictures: Count = 60_000
    codec_updates: Updates = 2_000
    codec_batch: Count = 32
    codec_rate: Rate = 1.5e-3
    decoder_updates: Updates = 15_000
    decoder_rate: Rate = 1e-3
    decoder_noise: Annotated[float, Range(0, 10)] = 0.15
    rounds: tuple[int, ...] = (20_000, 26_000)
    batch: Count = 16
    rate: Rate = 1e-3
    ema: Share = 0.999
    caption_dropout: Share = 0.1
    snr_cap: Annotated[float, Range(0, 1e6, above=True)] = 5.0

    def __post_init__(self) -> None:
        """Raise BadInput for a setting that is not allowed, or for no round at all."""
        super().__post_init__()
        if not self.rounds:
            raise BadInput("PretrainOptions.rounds is empty; give the updates of at least 1 round.")
        for updates in self.rounds:
            UPDATES.check("PretrainOptions.rounds", updates)


def _scene(seed: int) -> tuple[Picture, str]:
    scene = random_scene(seed)
    return scene.picture, scene.caption


def render_data(recipe: PretrainOptions, folder: Path, workers: int = 2) -> Iterator[StageStep]:
    """Render the captioned training scenes into ``pictures.npy`` and ``captions.json``, unless they exist."""
    if (folder / "captions.json").exists():
        return
    shape = (recipe.pictures, 64, 64, 3)
    pictures = np.lib.format.open_memmap(folder / "pictures.npy", "w+", np.uint8, shape)
    captions: list[str] = []
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for k, (picture, caption) in enumerate(pool.map(_scene, range(recipe.pictures), chunksize=200)):
            pictures[k] = picture
            captions.append(caption)
            yield StageStep("pictures", k + 1, recipe.pictures, 0.0, 0.0)
    pictures.flush()
    (folder / "captions.json").write_text(json_text(captions))


def _normalise(pictures: Picture) -> Tensor:
    """uint8 (n, 64, 64, 3) to float (n, 3, 64, 64) in [-1, 1]."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def _codec_loss(parts: Parts, pictures: Picture, batch: int, generator: torch.Generator) -> Tensor:
    """L1 + L2 loss of the reconstruction from noisy latents (noise: 5 % of their standard deviation)."""
    rows = torch.randint(0, len(pictures), (batch,), generator=generator)
    x = _normalise(pictures[rows.numpy()])
    z = parts.vae.encode(x).latents
    noise = torch.randn(z.shape, generator=generator) * 0.05 * z.detach().std()
    y = parts.vae.decode(z + noise).sample
    loss: Tensor = F.l1_loss(y, x) + F.mse_loss(y, x) + 1e-4 * z.square().mean()
    return loss


def codec_stage(recipe: PretrainOptions, parts: Parts, folder: Path) -> Stage:
    """The stage that trains the autoencoder, starting from PCA."""
    pictures = np.load(folder / "pictures.npy", mmap_mode="r")
    parts.vae.fit_linear(_normalise(pictures[:3000]))
    loss = partial(_codec_loss, parts, pictures, recipe.codec_batch)
    schedule = Schedule(recipe.codec_updates, recipe.codec_rate, cooldown=0.7)
    return Stage("codec", {"codec": parts.vae}, loss, schedule, folder, seed=recipe.seed + 1, ema=0.998)


def _edges(x: Tensor) -> Tensor:
    """Differences of neighbouring pixels of (n, c, h, w), down and right, in one flat tensor."""
    return torch.cat([x.diff(dim=2).flatten(), x.diff(dim=3).flatten()])


class _Decoding:
    """The decoder's loss: L1 + L2 + L1 of edges, from latents with noise of the size of a sampler's errors."""

    def __init__(self, recipe: PretrainOptions, parts: Parts, latents: Tensor, pictures: Picture) -> None:
        self.recipe, self.vae, self.latents, self.pictures = recipe, parts.vae, latents, pictures

    def __call__(self, generator: torch.Generator) -> Tensor:
        n = self.recipe.codec_batch
        rows = torch.randint(0, len(self.latents), (n,), generator=generator)
        z, x = self.latents[rows].float(), _normalise(self.pictures[rows.numpy()])
        level = self.recipe.decoder_noise * torch.rand((n, 1, 1, 1), generator=generator)
        z = z + level * torch.randn(z.shape, generator=generator)
        y = self.vae.decode(z / self.vae.config.scaling_factor).sample
        loss: Tensor = F.l1_loss(y, x) + F.mse_loss(y, x) + F.l1_loss(_edges(y), _edges(x))
        return loss


def decoder_stage(recipe: PretrainOptions, parts: Parts, latents: Tensor, folder: Path) -> Stage:
    """The stage that trains the decoder further; the encoder, and so the latent space, is frozen."""
    loss = _Decoding(recipe, parts, latents, np.load(folder / "pictures.npy", mmap_mode="r"))
    modules = {"decoder": parts.vae.decoder, "linear_out": parts.vae.linear_out}
    schedule = Schedule(recipe.decoder_updates, recipe.decoder_rate, cooldown=0.7)
    return Stage("decoder", modules, loss, schedule, folder, seed=recipe.seed + 3, ema=0.998)


@torch.no_grad()
def encode_data(parts: Parts, folder: Path) -> Tensor:
    """Latents (n, 16, 8, 8), float16, of all training pictures, scaled to a standard deviation of 1.

    Sets the autoencoder's ``scaling_factor`` from the first 3000 pictures.
    """
    pictures = np.load(folder / "pictures.npy", mmap_mode="r")
    deviation = parts.vae.encode(_normalise(pictures[:3000])).latents.std().item()
    parts.vae.register_to_config(scaling_factor=round(1 / deviation, 5))
    chunks = [parts.vae.encode(_normalise(pictures[k : k + 256])).latents for k in range(0, len(pictures), 256)]
    latents: Tensor = (torch.cat(chunks) * parts.vae.config.scaling_factor).half()
    return latents


def snr_weight(alphas_cumprod: Tensor, cap: float) -> Tensor:
    """The weights min(SNR, cap) / SNR of the ε-loss per timestep, (1000,) (Min-SNR, arXiv 2303.09556, eq. 6)."""
    snr = alphas_cumprod / (1 - alphas_cumprod)
    return snr.clamp(max=cap) / snr


class _Denoising:
    """The ε-prediction loss on random captioned latents; some captions are dropped, for classifier-free guidance."""

    def __init__(self, recipe: PretrainOptions, parts: Parts, latents: Tensor, captions: list[str]) -> None:
        self.recipe, self.parts, self.latents = recipe, parts, latents
        encoded = parts.tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt")
        self.tokens: Tensor = encoded.input_ids
        self.nothing: Tensor = parts.tokenizer("", padding="max_length", return_tensors="pt").input_ids
        self.weight = snr_weight(parts.scheduler.alphas_cumprod, recipe.snr_cap)

    def __call__(self, generator: torch.Generator) -> Tensor:
        n = self.recipe.batch
        rows = torch.randint(0, len(self.latents), (n,), generator=generator)
        z = self.latents[rows].float()
        noise = torch.randn(z.shape, generator=generator)
        t = torch.randint(0, 1000, (n,), generator=generator)
        dropped = torch.rand((n, 1), generator=generator) < self.recipe.caption_dropout
        text = self.parts.text(torch.where(dropped, self.nothing, self.tokens[rows])).last_hidden_state
        noisy = self.parts.scheduler.add_noise(z, noise, t)
        error = (self.parts.unet(noisy, t, text).sample - noise).square().mean((1, 2, 3))
        loss: Tensor = (self.weight[t] * error).mean()
        return loss


def diffusion_stage(recipe: PretrainOptions, parts: Parts, latents: Tensor, folder: Path, round: int) -> Stage:
    """The stage that trains the UNet and the text encoder together; each round starts with a new optimiser."""
    loss = _Denoising(recipe, parts, latents, json.loads((folder / "captions.json").read_text()))
    modules = {"unet": parts.unet, "text": parts.text}
    schedule = Schedule(recipe.rounds[round], recipe.rate, cooldown=0.3 if round == 0 else 0.5)
    name = f"diffusion-{round + 1}"
    return Stage(name, modules, loss, schedule, folder, seed=recipe.seed + 2 + 10 * round, ema=recipe.ema)


def pretrain(recipe: PretrainOptions, folder: Path, clip: ClipRecipe | None = None) -> Iterator[StageStep]:
    """Run all stages in ``folder`` and write the weights into ``folder / "weights"``; yields after every update."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.json").write_text(json_text(asdict(recipe), indent=1))
    yield from render_data(recipe, folder)
    parts = build_parts(Size(), recipe.seed)
    yield from _averaged(codec_stage(recipe, parts, folder))
    latents = encode_data(parts, folder)
    for k in range(len(recipe.rounds)):
        yield from _averaged(diffusion_stage(recipe, parts, latents, folder, k))
    yield from _averaged(decoder_stage(recipe, parts, latents, folder))
    write_weights(parts, folder / "weights", {"recipe": asdict(recipe)})
    yield from pretrain_clip(parts, folder, clip or ClipRecipe())


def _averaged(stage: Stage) -> Iterator[StageStep]:
    yield from stage.run()
    stage.use_average()
