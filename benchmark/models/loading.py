"""Backbones by name: ``toybox`` (embedded), ``tiny`` (random weights, for tests), or a diffusers folder or hub id."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..errors import BadInput
from ..hashing import digest
from ..suite.spec import Sampling
from .backbone import Backbone, hash_weights

EMBEDDED = ("tiny", "toybox")
_READING = ("hidden_act", "num_attention_heads", "layer_norm_eps")
"""What a text encoder does beside its weights; transformers does not tell which of its settings a file left out."""
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
    parts, settings = _embedded(name) if name in EMBEDDED else _pipeline(name)
    modules = {"unet": parts["unet"], "text": parts["text"], "codec": parts["vae"]}  # names that keys hold
    weights = hash_weights(modules)
    if settings is not None:
        weights = digest([weights, settings])
    return Backbone(name=name, weights=weights, sampling=sampling, device=where, dtype=kind, **parts)


def _settings(pipe: Any) -> list[Any]:
    """What decides pictures beside weights, as the files of a model have it: noise, sampling, layers, and tokens.

    What a file leaves out, diffusers fills with defaults of its version, so it is left out here too.
    """
    told = [pipe.scheduler.config, pipe.unet.config, pipe.vae.config]
    given = [{k: v for k, v in c.items() if not k.startswith("_") and k not in _defaults(c)} for c in told]
    text, tokenizer = pipe.text_encoder.config, pipe.tokenizer
    words = [sorted(tokenizer.get_vocab().items()), tokenizer.model_max_length]
    return [given, [getattr(text, name, None) for name in _READING], words]


def _defaults(config: Mapping[str, Any]) -> Sequence[str]:
    return config.get("_use_default_values") or ()


def _embedded(name: str) -> tuple[dict[str, Any], None]:
    """The parts of a model of ours; their settings are in this code."""
    from ..toybox.parts import TINY, build_parts
    from ..toybox.weights import read_parts

    parts = build_parts(TINY, seed=0) if name == "tiny" else read_parts()
    named = {"vae" if name == "codec" else name: part for name, part in vars(parts).items()}
    return named, None


def _pipeline(name: str) -> tuple[dict[str, Any], list[Any]]:
    """The parts of a Stable Diffusion pipeline, from safetensors only, and its settings."""
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
    parts = {
        "unet": pipe.unet,
        "text": pipe.text_encoder,
        "vae": pipe.vae,
        "tokenizer": pipe.tokenizer,
        # Others add noise in other units (x + σε) to what this UNet was trained on.
        "scheduler": DDPMScheduler.from_config(pipe.scheduler.config),
    }
    return parts, _settings(pipe)


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
