"""Backbones by name: ``toybox`` (embedded), ``tiny`` (random weights, for tests), or a diffusers folder or hub id."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from .backbone import Backbone, hash_weights
from .errors import BadInput
from .spec import Sampling, digest

EMBEDDED = ("tiny", "toybox")
_STEPPING = ("prediction_type", "timestep_spacing", "steps_offset", "set_alpha_to_one", "clip_sample", "thresholding")
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def pick_device(name: str) -> torch.device:
    """The device for ``auto``, ``cpu``, ``cuda`` or ``mps``; raises BadInput where it is not there."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(d for d in ("cuda", "mps", "cpu") if there[d]))
    if not re.fullmatch(r"\w+(:\d{1,2})?", name) or not there.get(name.split(":")[0], False):
        raise BadInput(
            f"--device {name}: not available here; choose auto or {', '.join(d for d in there if there[d])}."
        )
    return torch.device(name)


def pick_dtype(name: str) -> torch.dtype:
    """The compute type by name; raises BadInput for any other."""
    if name == "float16":
        raise BadInput("--dtype float16: small gradients vanish in it; choose bfloat16, which takes no more room.")
    if name not in _DTYPES:
        raise BadInput(f"--dtype {name}: choose one of {', '.join(_DTYPES)}.")
    return _DTYPES[name]


def load_backbone(name: str, sampling: Sampling, device: str = "cpu", dtype: str = "float32") -> Backbone:
    """Load a backbone; ``name`` is ``toybox``, ``tiny``, a folder in diffusers' layout, or a hub id."""
    kind, where = pick_dtype(dtype), pick_device(device)
    parts = _embedded(name) if name in EMBEDDED else _pipeline(name)
    modules = {"unet": parts["unet"], "text": parts["text"], "codec": parts["codec"]}
    weights = hash_weights(modules)
    if name not in EMBEDDED:  # those have theirs in this code
        weights = digest([weights, _settings(parts)])
    return Backbone(name=name, weights=weights, sampling=sampling, device=where, dtype=kind, **parts)


def _settings(parts: Mapping[str, Any]) -> list[Any]:
    """What decides pictures beside weights: noise, how samplers step through it, the scale of latents, and tokens."""
    scheduler, codec, tokenizer = parts["scheduler"], parts["codec"].config, parts["tokenizer"]
    noise = [scheduler.alphas_cumprod.tolist(), [scheduler.config.get(name) for name in _STEPPING]]
    words = [sorted(tokenizer.get_vocab().items()), tokenizer.model_max_length]
    return [noise, codec.get("scaling_factor"), codec.get("shift_factor"), words]


def _embedded(name: str) -> dict[str, Any]:
    from .toybox.parts import TINY, build_parts
    from .toybox.weights import read_parts

    parts = build_parts(TINY, seed=0) if name == "tiny" else read_parts()
    return vars(parts)


def _pipeline(name: str) -> dict[str, Any]:
    """The parts of a Stable Diffusion pipeline, from safetensors only."""
    from diffusers import DDPMScheduler, StableDiffusionPipeline

    if name.count("/") != 1 and not Path(name).is_dir():
        raise BadInput(f"backbone '{name}': no such folder; give toybox, a folder in diffusers' layout, or a hub id.")
    try:
        pipe = StableDiffusionPipeline.from_pretrained(name, use_safetensors=True, safety_checker=None)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(
            f"backbone '{name}' cannot be loaded ({reason}); give toybox, a folder in diffusers' layout, or fetch the "
            f"model first with 'hf download {name}'."
        ) from None
    if (misfit := _misfit(pipe)) is not None:
        raise BadInput(
            f"backbone '{name}' is no text-to-image model of the kind of Stable Diffusion 1.x or 2.x ({misfit}); "
            "choose one that is."
        )
    return {
        "unet": pipe.unet,
        "text": pipe.text_encoder,
        "codec": pipe.vae,
        "tokenizer": pipe.tokenizer,
        # Others add noise in other units (x + σε) to what this UNet was trained on.
        "scheduler": DDPMScheduler.from_config(pipe.scheduler.config),
    }


def _misfit(pipe: Any) -> str | None:
    """Why the parts of a pipeline do not go together as in Stable Diffusion 1.x and 2.x; None where they do."""
    unet, width = pipe.unet.config, pipe.text_encoder.config.hidden_size
    read = unet.cross_attention_dim
    if unet.addition_embed_type is not None:
        return f"its UNet asks for more than text: {unet.addition_embed_type}"
    if any(w != width for w in (read if isinstance(read, list | tuple) else [read])):
        return f"its UNet reads text states of width {read}, its text encoder gives {width}"
    if unet.in_channels != pipe.vae.config.latent_channels:
        return f"its UNet reads {unet.in_channels} channels, its autoencoder gives {pipe.vae.config.latent_channels}"
    return None
