"""A pipeline of diffusers with learned changes and tokens in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..models.folders import find_pipeline
from ..models.loading import EMBEDDED, embedded_parts
from ..models.low_rank import LowRank
from ..models.pipeline import network_of, read_pipeline
from .adapter import part_of


def base_pipeline(name: str) -> Any:
    """The pipeline of a backbone, as diffusers has it, in float32."""
    return _embedded(name) if name in EMBEDDED else read_pipeline(name, find_pipeline(name))


def write_merged(
    pipe: Any, layers: Mapping[str, LowRank | Tensor], tokens: Mapping[str, Sequence[Tensor]], folder: Path
) -> None:
    """Add the changes (out, in) to the weights and the tokens to the tables of a pipeline, and write its folder."""
    name = "unet" if hasattr(pipe, "unet") else "transformer"
    with torch.no_grad():
        for layer, change in layers.items():
            part, inside = part_of(layer, name)
            module = network_of(pipe) if part == name else getattr(pipe, part)
            w = module.get_submodule(inside).weight
            w += (change.change if isinstance(change, LowRank) else change).to(w)
        for k in range(len(next(iter(tokens.values()), ()))):
            _add_tokens(pipe, {token: rows[k] for token, rows in tokens.items()}, f"_{k + 1}" if k else "")
    pipe.save_pretrained(str(folder), safe_serialization=True)


def _add_tokens(pipe: Any, rows: Mapping[str, Tensor], number: str) -> None:
    """Put rows (width,) at the end of the table of one text encoder, and their tokens into its tokenizer."""
    tokenizer, encoder = getattr(pipe, f"tokenizer{number}"), getattr(pipe, f"text_encoder{number}")
    table = encoder.get_input_embeddings().weight
    more = torch.stack([row.to(table) for row in rows.values()])
    own = torch.nn.Embedding(len(table) + len(more), table.shape[1], _weight=torch.cat([table.detach(), more]))
    encoder.set_input_embeddings(own)
    encoder.config.vocab_size = own.num_embeddings
    encoder.config.eos_token_id = tokenizer.eos_token_id  # published ones have 2, with which new tokens break pooling
    tokenizer.add_tokens(list(rows))


def _embedded(name: str) -> Any:
    """The pipeline of an embedded model. Its autoencoder is a class of cpbench."""
    from diffusers import StableDiffusionPipeline

    parts = embedded_parts(name)
    return StableDiffusionPipeline(
        vae=parts.vae,
        text_encoder=parts.text,
        tokenizer=parts.tokenizer,
        unet=parts.unet,
        scheduler=parts.scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
