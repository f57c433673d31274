"""Adapters that other programs trained: files of diffusers, of peft and of kohya's trainers, read by diffusers."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..errors import BadInput
from ..wording import shown
from .latent import LatentModel
from .pipeline import KINDS
from .unet import StableDiffusion

_PEFT_FILE, _PEFT_CARD, _PEFT_KEY = "adapter_model.safetensors", "adapter_config.json", "base_model.model."
_PARTS = ("unet", "text_encoder", "text_encoder_2")
_TOKEN_KEYS = ({"emb_params"}, {"clip_l", "clip_g"})


def adapter_files(folder: Path) -> dict[str, Path]:
    """The adapters in a folder by name: files of safetensors, and folders of peft; not files of tokens.

    Raises BadInput where there are none.
    """
    if folder.is_file():
        return {folder.stem: folder}
    if _of_peft(folder):
        return {folder.name: folder}
    found = {f.stem: f for f in sorted(folder.glob("*.safetensors")) if not is_tokens(f)}
    found |= {place.name: place for place in sorted(folder.glob("*/")) if _of_peft(place)}
    if not found:
        others = [f.name for f in sorted(folder.glob("*")) if f.suffix in (".pt", ".bin", ".ckpt", ".pth")]
        why = f"; {others[0]} is a pickle, which can run any code: convert it to safetensors" if others else ""
        raise BadInput(f"{shown(folder, 300)} has no adapters (files of safetensors, or folders of peft){why}.")
    return found


def _of_peft(folder: Path) -> bool:
    """Whether a folder is what peft writes, or has a folder per part of the pipeline that is."""
    return any((folder / part / _PEFT_CARD).is_file() for part in ("", *_PARTS))


def is_tokens(file: Path) -> bool:
    """Whether a file of safetensors has learned tokens, and no adapter."""
    names = set(_read(file))
    return names in _TOKEN_KEYS or (len(names) == 1 and not any("lora" in name or "." in name for name in names))


def read_tokens(file: Path, readers: int) -> list[list[Tensor]]:
    """The rows of a file of tokens, for each of them one per text encoder; several where a concept has several."""
    found = _read(file)
    keys = ["clip_l", "clip_g"] if "clip_g" in found else list(found)
    if len(keys) != readers:
        raise BadInput(f"{shown(file, 300)} has tokens for {len(keys)} text encoders, and the model has {readers}.")
    tables = [found[key].float().reshape(-1, found[key].shape[-1]) for key in keys]
    return [list(rows) for rows in zip(*tables, strict=True)]


def add_adapter(model: LatentModel, path: Path, name: str) -> int:
    """Load an adapter into a model, its own copy, beside those that are there; returns how many numbers it has.

    Raises BadInput for a file that cannot be read, that is for another model, or that has what cannot be loaded.
    """
    tensors = _peft(path) if path.is_dir() else _read(path)
    loader = _loader(model)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            state, alphas, metadata = loader.lora_state_dict(
                dict(tensors), unet_config=model.network.config, return_lora_metadata=True
            )
            loader.load_lora_into_unet(state, alphas, model.network, adapter_name=name, metadata=metadata)
            for part, reader in zip(("text_encoder", "text_encoder_2"), model.readers, strict=False):
                if any(key.startswith(f"{part}.") for key in state):
                    loader.load_lora_into_text_encoder(
                        state, alphas, reader.encoder, prefix=part, adapter_name=name, metadata=metadata
                    )
    except Exception as error:  # whatever the libraries raise for files that do not fit
        reason = shown((str(error).strip().splitlines() or [type(error).__name__])[0], 200)
        raise BadInput(
            f"{shown(path, 300)} does not fit {model.name} ({reason}); choose the model that it is for."
        ) from None
    if not any(name in getattr(m, "lora_A", {}) for module in model.modules.values() for m in module.modules()):
        raise BadInput(f"{shown(path, 300)} changes no layer of {model.name}; is it an adapter, and for this model?")
    for module in model.modules.values():
        module.requires_grad_(False)
    return sum(t.numel() for key, t in tensors.items() if "alpha" not in key)


def use(model: LatentModel, names: Sequence[str], strength: float) -> None:
    """Draw with the sum of some adapters, each multiplied by ``strength``; with none, as the base model."""
    from peft.tuners.lora import LoraLayer

    for module in model.modules.values():
        for layer in module.modules():
            if isinstance(layer, LoraLayer):
                own = [name for name in names if name in {*layer.lora_A, *layer.lora_embedding_A}]
                layer.enable_adapters(bool(own))
                if own:
                    layer.set_adapter(own)
                    for name in own:
                        layer.set_scale(name, strength)
        module.requires_grad_(False)


def pipeline_of(model: object) -> str | None:
    """The class of the pipeline of a model in diffusers, if that loads tokens and adapters; None if it does not."""
    known: dict[type, str] = {kind: name for name, kind in KINDS.items() if issubclass(kind, StableDiffusion)}
    return known.get(type(model))


def _loader(model: LatentModel) -> Any:
    import diffusers

    if (name := pipeline_of(model)) is not None:
        return getattr(diffusers, name)
    raise BadInput(
        f"{model.name}: adapters of other programs can be scored on Stable Diffusion 1.x, 2.x and SDXL only."
    )


def _read(file: Path) -> dict[str, Tensor]:
    try:
        found: dict[str, Tensor] = load_file(file)
    except (OSError, SafetensorError) as error:
        raise BadInput(f"{shown(file, 300)} cannot be read ({shown(error, 150)}); replace or remove it.") from None
    return found


def _peft(folder: Path) -> dict[str, Tensor]:
    """The tensors of a folder of peft, or of one with a folder per part, under the names of diffusers."""
    parts = {part: folder / part for part in _PARTS if (folder / part / _PEFT_CARD).is_file()} or {"unet": folder}
    return {key: tensor for part, own in parts.items() for key, tensor in _peft_part(part, own).items()}


def _peft_part(part: str, folder: Path) -> dict[str, Tensor]:
    """The tensors of one part, with α multiplied into B."""
    from peft.utils.other import get_pattern_key

    try:
        card: Mapping[str, Any] = json.loads((folder / _PEFT_CARD).read_text())
        kind, rank, alpha = card["peft_type"], card["r"], card["lora_alpha"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{shown(folder / _PEFT_CARD, 300)} is not that of a LoRA ({error}); replace it.") from None
    if kind != "LORA" or card.get("use_dora"):
        raise BadInput(f"{shown(folder, 300)} is a {shown(kind)} of peft; only plain LoRA can be scored.")
    ranks, alphas, found = card.get("rank_pattern") or {}, card.get("alpha_pattern") or {}, {}
    for key, tensor in _read(folder / _PEFT_FILE).items():
        layer = key.removeprefix(_PEFT_KEY)
        module = layer.partition(".lora_")[0]
        r = ranks.get(get_pattern_key(ranks, module), rank)
        scale = alphas.get(get_pattern_key(alphas, module), alpha) / (math.sqrt(r) if card.get("use_rslora") else r)
        found[f"{part}.{layer}"] = tensor * scale if ".lora_B" in layer else tensor
    return found
