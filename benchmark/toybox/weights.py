"""The shipped weights of the toybox model: float16 safetensors, with a manifest of their checksums."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import nn

from ..plain_json import json_text
from .parts import Parts, Size, build_parts
from .shipped import check_file
from .shipped import read_manifest as read_manifest
from .shipped import weights_folder as weights_folder


def write_module(module: nn.Module, file: Path) -> str:
    """Write the weights of one module in float16; returns the SHA-256 of the file."""
    content: bytes = save({k: v.detach().half().contiguous() for k, v in module.state_dict().items()})
    file.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def read_module(module: nn.Module, file: Path, checksum: str) -> None:
    """Read weights into a module as float32; raises Damaged if the file is missing or its SHA-256 differs."""
    check_file(file, checksum)
    module.load_state_dict({k: v.to(torch.float32) for k, v in load_file(file).items()})


def write_weights(parts: Parts, folder: Path, about: dict[str, Any]) -> None:
    """Write all modules and ``manifest.json`` into ``folder``; ``about`` adds fields to the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    sums = {name: write_module(module, folder / f"{name}.safetensors") for name, module in parts.trained().items()}
    manifest = {"sha256": sums, "scaling_factor": parts.vae.config.scaling_factor, **about}
    (folder / "manifest.json").write_text(json_text(manifest, indent=1) + "\n")


def read_parts(folder: Path | None = None) -> Parts:
    """The trained model in float32; raises Damaged if a file is missing or does not match the manifest."""
    folder = folder or weights_folder()
    manifest = read_manifest(folder)
    parts = build_parts(Size(), seed=0)
    parts.vae.register_to_config(scaling_factor=manifest["scaling_factor"])
    for name, module in parts.trained().items():
        read_module(module, folder / f"{name}.safetensors", manifest["sha256"][name])
    return parts
