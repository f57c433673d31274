"""Loads backbones: ``toybox`` (embedded), ``tiny`` (random weights, for tests), a diffusers folder, or a hub id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..errors import BadInput
from ..hashing import digest
from ..suite.spec import Sampling
from ..wording import shown
from .backbone import Backbone
from .weights import hash_weights

EMBEDDED = ("tiny", "toybox")
_READING = ("hidden_act", "num_attention_heads", "layer_norm_eps")
"""Settings that decide what a text encoder computes. Transformers does not record which ones a file left out."""
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def pick_device(name: str) -> torch.device:
    """The device for ``auto``, ``cpu``, ``cuda`` (or ``cuda:1``) or ``mps``; raises BadInput if it is not available."""
    mps = torch.backends.mps.is_available()
    there = {"cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0, "mps": int(mps), "cpu": 1}
    if name == "auto":
        return torch.device(next(d for d, n in there.items() if n))
    kind, colon, number = name.partition(":")
    of_kind = range(there.get(kind, 0))
    if not (number in map(str, of_kind) if colon else of_kind):
        known = [d if n == 1 else f"{d}:0 to {d}:{n - 1}" for d, n in there.items() if n]
        raise BadInput(
            f"--device {shown(name)}: not available on this machine; choose auto or {', '.join(reversed(known))}."
        )
    return torch.device(name)


def pick_dtype(name: str) -> torch.dtype:
    """The compute type by name: ``float32`` or ``bfloat16``; raises BadInput for any other."""
    if name == "float16":
        raise BadInput("--dtype float16: small gradients underflow; choose bfloat16, which needs as little memory.")
    if name not in _DTYPES:
        raise BadInput(f"--dtype {name}: unknown; choose one of {', '.join(_DTYPES)}.")
    return _DTYPES[name]


def load_backbone(name: str, sampling: Sampling, device: str = "cpu", dtype: str = "float32") -> Backbone:
    """Load a backbone; ``name`` is ``toybox``, ``tiny``, a folder in diffusers' layout, or a hub id.

    Raises BadInput if the model, the device or the dtype cannot be used, and Damaged for damaged toybox weights.
    """
    kind, where = pick_dtype(dtype), pick_device(device)
    parts, settings = _embedded(name) if name in EMBEDDED else _pipeline(name)
    modules = {"unet": parts["unet"], "text": parts["text"], "codec": parts["vae"]}  # these names are in keys
    weights = hash_weights(modules)
    if settings is not None:
        weights = digest([weights, settings])
    return Backbone(name=name, weights=weights, sampling=sampling, device=where, dtype=kind, **parts)


def _settings(pipe: Any) -> list[Any]:
    """What decides the pictures besides the weights: scheduler, UNet, autoencoder, text encoder and tokenizer.

    Settings that the files leave out are left out here too: diffusers fills them with the defaults of its version.
    """
    configs = [pipe.scheduler.config, pipe.unet.config, pipe.vae.config]
    given = [{k: v for k, v in c.items() if not k.startswith("_") and k not in _defaults(c)} for c in configs]
    text, tokenizer = pipe.text_encoder.config, pipe.tokenizer
    words = [sorted(tokenizer.get_vocab().items()), tokenizer.model_max_length]
    return [given, [getattr(text, name, None) for name in _READING], words]


def _defaults(config: Mapping[str, Any]) -> Sequence[str]:
    return config.get("_use_default_values") or ()


def _embedded(name: str) -> tuple[dict[str, Any], None]:
    """The parts of an embedded model; its settings are in the code, so there are none to hash."""
    from ..toybox.parts import TINY, build_parts
    from ..toybox.weights import read_parts

    return vars(build_parts(TINY, seed=0) if name == "tiny" else read_parts()), None


def _pipeline(name: str) -> tuple[dict[str, Any], list[Any]]:
    """The parts of a Stable Diffusion pipeline, read from safetensors only, and its settings."""
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
            f"backbone '{name}' is not a text-to-image model like Stable Diffusion 1.x or 2.x ({misfit}); "
            "choose one that is."
        )
    parts = {
        "unet": pipe.unet,
        "text": pipe.text_encoder,
        "vae": pipe.vae,
        "tokenizer": pipe.tokenizer,
        # Some schedulers scale noise differently (x + σε) from what the UNet was trained on.
        "scheduler": DDPMScheduler.from_config(pipe.scheduler.config),
    }
    return parts, _settings(pipe)


def _misfit(pipe: Any) -> str | None:
    """Why a pipeline is not built like Stable Diffusion 1.x and 2.x; None if it is."""
    unet, width = pipe.unet.config, pipe.text_encoder.config.hidden_size
    read = unet.cross_attention_dim
    if unet.addition_embed_type is not None:
        return f"its UNet needs more input than text: {unet.addition_embed_type}"
    if any(w != width for w in (read if isinstance(read, list | tuple) else [read])):
        return f"its UNet expects text states of width {read}, its text encoder has {width}"
    if unet.in_channels != pipe.vae.config.latent_channels:
        return f"its UNet expects {unet.in_channels} channels, its autoencoder has {pipe.vae.config.latent_channels}"
    return None
