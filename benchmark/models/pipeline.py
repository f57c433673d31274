"""The pipeline in a folder, read by diffusers, and whether it can be taught."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from ..errors import BadInput
from ..wording import shown
from .flow import StableDiffusion3
from .folders import PipelineFolder
from .latent import LatentModel
from .unet import StableDiffusion, StableDiffusionXL

KINDS: Mapping[str, type[LatentModel]] = {
    "StableDiffusionPipeline": StableDiffusion,
    "StableDiffusionXLPipeline": StableDiffusionXL,
    "StableDiffusion3Pipeline": StableDiffusion3,
}
"""The pipelines of diffusers that can be loaded, and the models that they become."""


def read_pipeline(name: str, folder: PipelineFolder) -> Any:
    """The pipeline in a folder, in float32, read from safetensors only; raises BadInput where it cannot be used."""
    import diffusers

    if folder.kind not in KINDS:
        raise BadInput(
            f"backbone '{shown(name)}' is a {shown(folder.kind)}; cpbench runs {', '.join(KINDS)} (Stable Diffusion "
            "1.x and 2.x, SDXL, and Stable Diffusion 3)."
        )
    unused: dict[str, Any] = dict.fromkeys(("safety_checker", "feature_extractor", "image_encoder"))
    own = {**unused, "requires_safety_checker": False} if folder.kind == next(iter(KINDS)) else {}
    options: dict[str, Any] = {"variant": folder.variant, **own, **dict.fromkeys(folder.left_out)}
    load = partial(getattr(diffusers, folder.kind).from_pretrained, use_safetensors=True, local_files_only=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old files, such as that they do not say clip_sample=False
            pipe = load(str(folder.path), **options)
    except Exception as error:  # whatever the libraries raise for files that do not fit together
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadInput(f"backbone '{shown(name)}' cannot be loaded ({reason}); fetch the model again.") from None
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.float()  # files of half precision too: what is stored in fewer bits is for `dtype` to say
    return pipe


def network_of(pipe: Any) -> Any:
    """The network of a pipeline that predicts."""
    return pipe.unet if hasattr(pipe, "unet") else pipe.transformer


def misfit(pipe: Any) -> str | None:
    """Why a pipeline is not built like those that can be taught; None if it is."""
    predicts = pipe.scheduler.config.get("prediction_type", "flow_prediction")
    if predicts not in ("epsilon", "v_prediction", "flow_prediction") or "sigma_data" in pipe.scheduler.config:
        return f"its network predicts neither noise nor velocity, but {predicts} with {type(pipe.scheduler).__name__}"
    if predicts == "epsilon" and pipe.scheduler.config.get("rescale_betas_zero_snr"):
        return "its schedule ends in noise alone, from which a network that predicts noise cannot begin to draw"
    if pipe.vae.config.get("latents_mean") is not None:
        return "its autoencoder shifts each channel by a value of its own"
    network = network_of(pipe)
    channels = network.config.in_channels
    if channels != pipe.vae.config.latent_channels:
        return f"its network expects {channels} channels, its autoencoder has {pipe.vae.config.latent_channels}"
    return _unread(pipe) if hasattr(pipe, "unet") else None


def _unread(pipe: Any) -> str | None:
    """Why a UNet does not read what the text encoders of its pipeline give; None if it does."""
    unet, xl = pipe.unet.config, hasattr(pipe, "text_encoder_2")
    if (unet.addition_embed_type == "text_time") != xl or unet.addition_embed_type not in (None, "text_time"):
        return f"its UNet needs more input than text: {unet.addition_embed_type}"
    encoders = [e for e in (pipe.text_encoder, getattr(pipe, "text_encoder_2", None)) if e is not None]
    width, read = sum(e.config.hidden_size for e in encoders), unet.cross_attention_dim
    if any(w != width for w in (read if isinstance(read, list | tuple) else [read])):
        return f"its UNet expects text states of width {read}, its text encoder has {width}"
    return None
