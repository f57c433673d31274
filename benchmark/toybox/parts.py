"""The parts of the toybox model, untrained: tokenizer, text encoder, UNet and noise schedule.

They are the classes that Stable Diffusion 1.x is made of, only smaller, so every line of every method runs
unchanged on both.
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
    """Widths of the model; the defaults are the shipped one, ``TINY`` is for tests."""

    text: int = 128
    text_layers: int = 3
    unet: tuple[int, int] = (64, 128)
    latents: int = 16
    codec: int = 64


TINY = Size(text=32, text_layers=1, unet=(16, 32), latents=4, codec=8)


@dataclass(frozen=True)
class Parts:
    """What a Stable Diffusion pipeline is made of."""

    unet: UNet2DConditionModel
    text: CLIPTextModel
    codec: PatchCodec
    tokenizer: CLIPTokenizer
    scheduler: DDIMScheduler

    def trained(self) -> dict[str, nn.Module]:
        """The modules that have weights, by the name of their file."""
        return {"unet": self.unet, "text": self.text, "codec": self.codec}


def _merge(symbols: list[str], ranks: dict[tuple[str, str], int]) -> list[str]:
    """Byte-pair encode one word: always the earliest merge first."""
    while len(symbols) > 1:
        pairs = list(pairwise(symbols))
        best = min(pairs, key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        k = pairs.index(best)
        symbols = [*symbols[:k], symbols[k] + symbols[k + 1], *symbols[k + 2 :]]
    return symbols


def build_tokenizer() -> CLIPTokenizer:
    """Build a CLIP tokenizer in which every word of the caption grammar is one token.

    Merges are added word by word until the word is whole; a later merge cannot break an earlier word, because
    that word still finds its own earlier merges first. Other words fall apart into pieces; nothing is unknown.
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
    """Build the noise predictor for latents (n, c, 8, 8), with cross-attention in every block."""
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
    """Build the text encoder; its last hidden states (n, 32, text) condition the UNet."""
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
    """Build the whole model with random weights drawn from ``seed``; the global generator is left as it was."""
    tokenizer = build_tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet, text = build_unet(size), build_text(size, len(tokenizer))
        codec = PatchCodec(latent_channels=size.latents, width=size.codec)
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
    return Parts(unet, text, codec, tokenizer, scheduler)
