"""Low-rank changes of layers as three kinds of files.

The names of layers are those of cpbench: those of the network as they are, those of text encoders after ``text.``,
``text_2.`` and so on. α is multiplied into B where a format has no place for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import peft
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import pad

from ..models.low_rank import LowRank

T = TypeVar("T")
Layers = Mapping[str, LowRank]
DIFFUSERS_FILE = "pytorch_lora_weights.safetensors"
"""The file that ``load_lora_weights`` looks for in a folder."""
_PARTS = {"text": "text_encoder", "text_2": "text_encoder_2"}
_KOHYA = {"unet": "lora_unet", "text_encoder": "lora_te", "text_encoder_2": "lora_te2"}


def by_part(layers: Mapping[str, T], network: str) -> dict[str, dict[str, T]]:
    """The layers by the part of the pipeline that they are in (``unet``, ``text_encoder``), and their names there."""
    found: dict[str, dict[str, T]] = {}
    for name, own in layers.items():
        part, inside = part_of(name, network)
        found.setdefault(part, {})[inside] = own
    return found


def part_of(layer: str, network: str) -> tuple[str, str]:
    """The part of the pipeline that a layer is in, and its name there."""
    first, _, rest = layer.partition(".")
    return (_PARTS[first], rest) if first in _PARTS else (network, layer)


def write_diffusers(layers: Layers, network: str, folder: Path, name: str) -> list[Path]:
    """The file that ``load_lora_weights`` of diffusers reads. It has no place for α in all versions."""
    tensors = {}
    for part, own in by_part(_alike(layers), network).items():
        for layer, w in own.items():
            key = f"{part}.{_older(part, layer)}"
            tensors[f"{key}.lora_A.weight"] = w.down
            tensors[f"{key}.lora_B.weight"] = w.up * (w.alpha / w.rank)
    return [_written(tensors, folder / (f"{name}.safetensors" if name else DIFFUSERS_FILE))]


def write_kohya(layers: Layers, network: str, folder: Path, name: str) -> list[Path]:
    """The file of kohya's trainers, which WebUI, ComfyUI and others read too."""
    parts, tensors = by_part(_alike(layers), network), dict[str, Tensor]()
    two = "text_encoder_2" in parts
    for part, own in parts.items():
        prefix = "lora_te1" if two and part == "text_encoder" else _KOHYA[part]
        for layer, w in own.items():
            key = f"{prefix}_{_older(part, layer).replace('.', '_')}"
            tensors[f"{key}.lora_down.weight"], tensors[f"{key}.lora_up.weight"] = w.down, w.up
            tensors[f"{key}.alpha"] = torch.tensor(w.alpha)
    return [_written(tensors, folder / f"{name or 'adapter'}.safetensors")]


def write_peft(layers: Layers, network: str, folder: Path, name: str) -> list[Path]:
    """A folder per part of the pipeline, for ``PeftModel.from_pretrained``."""
    found = []
    for part, own in by_part(layers, network).items():
        place, most = folder / name / part, max(w.rank for w in own.values())
        config = peft.LoraConfig(
            r=most,
            lora_alpha=most,
            target_modules=sorted(own),
            rank_pattern={layer: w.rank for layer, w in own.items()},
            alpha_pattern={layer: w.alpha for layer, w in own.items()},
            inference_mode=True,
        )
        place.mkdir(parents=True)
        config.save_pretrained(str(place))
        tensors = {}
        for layer, w in own.items():
            tensors[f"base_model.model.{layer}.lora_A.weight"] = w.down
            tensors[f"base_model.model.{layer}.lora_B.weight"] = w.up
        found += [place / "adapter_config.json", _written(tensors, place / "adapter_model.safetensors")]
    return found


FORMATS: Mapping[str, Callable[[Layers, str, Path, str], list[Path]]] = {
    "diffusers": write_diffusers,
    "peft": write_peft,
    "kohya": write_kohya,
}
"""What writes each format: from layers, the name of the network in the pipeline, a folder, and a name or none."""


def _alike(layers: Layers) -> Layers:
    """The same changes with one rank and one α: loaders of both formats have got others wrong."""
    r, alpha = max(w.rank for w in layers.values()), next(iter(layers.values())).alpha
    if all((w.rank, w.alpha) == (r, alpha) for w in layers.values()):
        return layers
    return {
        name: LowRank(
            pad(w.down, (0, 0, 0, r - w.rank)), pad(w.up * (w.alpha / w.rank * r / alpha), (0, r - w.rank)), alpha
        )
        for name, w in layers.items()
    }


def _older(part: str, layer: str) -> str:
    """The name of a layer in files: text encoders had one more level before transformers 5, and files still do."""
    text = part.startswith("text_encoder") and not layer.startswith("text_model.")
    return f"text_model.{layer}" if text else layer


def _written(tensors: Mapping[str, Tensor], file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: w.detach().cpu().float().contiguous() for name, w in tensors.items()}, file, {"format": "pt"})
    return file
