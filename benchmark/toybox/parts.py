"""The untrained parts of the toybox model: tokenizer, text encoder, UNet, autoencoder and noise schedule.

They are the classes of Stable Diffusion 1.x in a smaller size, so methods run unchanged on both.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from tokenizers import pre_tokenizers
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from .captions import vocabulary
from .codec import PatchCodec

MAX_TOKENS = 32
_END = "</w>"


@dataclass(frozen=True)
class Size:
    """The widths of the model. The defaults are those of the shipped model; ``TINY`` is for tests."""

    text: int = 128
    text_layers: int = 3
    unet: tuple[int, int] = (64, 128)
    latents: int = 16
    vae: int = 64


TINY = Size(text=32, text_layers=1, unet=(16, 32), latents=4, vae=8)


@dataclass(frozen=True)
class Parts:
    """The parts of a Stable Diffusion pipeline; ``vae`` is the autoencoder."""

    unet: UNet2DConditionModel
    text: CLIPTextModel
    vae: PatchCodec
    tokenizer: CLIPTokenizer
    scheduler: DDIMScheduler

    def trained(self) -> dict[str, nn.Module]:
        """The modules with weights, by the name of their file."""
        return {"unet": self.unet, "text": self.text, "codec": self.vae}


def _merge(symbols: list[str], ranks: dict[tuple[str, str], int]) -> list[str]:
    """Byte-pair encode one word, applying the earliest merge first."""
    while len(symbols) > 1:
        pairs = list(pairwise(symbols))
        best = min(pairs, key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        k = pairs.index(best)
        symbols = [*symbols[:k], symbols[k] + symbols[k + 1], *symbols[k + 2 :]]
    return symbols


def build_tokenizer() -> CLIPTokenizer:
    """A CLIP tokenizer in which every word of the caption grammar is one token.

    Merges are added until each word is one token. They do not affect earlier words, whose own merges come first. Other
    words are split into several tokens; none is unknown.
    """
    ranks: dict[tuple[str, str], int] = {}
    for word in vocabulary():
        symbols = _merge([*word[:-1], word[-1] + _END], ranks)
        while len(symbols) > 1:
            ranks[symbols[0], symbols[1]] = len(ranks)
            symbols = _merge(symbols, ranks)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = ["<|startoftext|>", "<|endoftext|>", *letters, *(c + _END for c in letters), *(a + b for a, b in ranks)]
    vocab = {piece: k for k, piece in enumerate(dict.fromkeys(pieces))}
    return CLIPTokenizer(vocab=vocab, merges=list(ranks), model_max_length=MAX_TOKENS)


def build_unet(size: Size) -> UNet2DConditionModel:
    """The untrained noise predictor for latents (n, c, 8, 8), with cross-attention in every block."""
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=size.latents,
        out_channels=size.latents,
        block_out_channels=size.unet,
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        cross_attention_dim=size.text,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def build_text(size: Size, tokens: int) -> CLIPTextModel:
    """The untrained text encoder; its last hidden states (n, 32, size.text) condition the UNet."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=tokens,
            hidden_size=size.text,
            intermediate_size=4 * size.text,
            num_hidden_layers=size.text_layers,
            num_attention_heads=4,
            max_position_embeddings=MAX_TOKENS,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=1,
        )
    )


def build_parts(size: Size, seed: int) -> Parts:
    """The whole model with random weights drawn from ``seed``; the global random state does not change."""
    tokenizer = build_tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet, text = build_unet(size), build_text(size, len(tokenizer))
        vae = PatchCodec(latent_channels=size.latents, width=size.vae)
    scheduler = DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        timestep_spacing="trailing",
    )
    return Parts(unet, text, vae, tokenizer, scheduler)
