"""Learned tokens as the files of textual inversion: one per concept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

FOLDER = "tokens"
_BOTH = ("clip_l", "clip_g")
"""The names that files for SDXL have for its two text encoders."""


def write_tokens(tokens: Mapping[str, Sequence[Tensor]], folder: Path) -> list[Path]:
    """A file per token (``<my-cat>``), with one row per text encoder, (1, width).

    With one encoder, its row is under the name of the token, which ``load_textual_inversion`` of diffusers reads.
    """
    found = []
    for token, rows in tokens.items():
        names = [token] if len(rows) == 1 else list(_BOTH)
        file = folder / FOLDER / f"{token.strip('<>')}.safetensors"
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file({n: w.detach().cpu().float()[None].contiguous() for n, w in zip(names, rows, strict=True)}, file)
        found.append(file)
    return found
