"""Loads backbones: ``toybox`` (embedded), ``tiny`` (random weights, for tests), or a pipeline of diffusers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..errors import BadInput
from ..hashing import digest
from ..suite.spec import Sampling
from ..wording import shown
from .backbone import Backbone
from .engine import PLAIN, Engine
from .flow import LONGEST, StableDiffusion3
from .folders import PipelineFolder, find_pipeline
from .known_hashes import known_hash
from .latent import LatentModel
from .reader import Reader
from .unet import StableDiffusion, StableDiffusionXL
from .weights import hash_weights

EMBEDDED = ("tiny", "toybox")
KINDS: Mapping[str, type[LatentModel]] = {
    "StableDiffusionPipeline": StableDiffusion,
    "StableDiffusionXLPipeline": StableDiffusionXL,
    "StableDiffusion3Pipeline": StableDiffusion3,
}
"""The pipelines of diffusers that can be loaded, and the models that they become."""
_READING = ("hidden_act", "num_attention_heads", "layer_norm_eps")
"""Settings that decide what a text encoder computes. Transformers does not record which ones a file left out."""
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


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
    """The compute type by name: ``float32``, ``bfloat16`` or ``float16``; raises BadInput for any other."""
    if name not in _DTYPES:
        raise BadInput(f"--dtype {name}: unknown; choose one of {', '.join(_DTYPES)}.")
    return _DTYPES[name]


def load_backbone(
    name: str,
    sampling: Sampling,
    device: str = "cpu",
    dtype: str = "float32",
    *,
    download: bool = False,
    engine: Engine = PLAIN,
    home: Path | None = None,
) -> Backbone:
    """Load a backbone: ``toybox``, ``tiny``, a short name (``sd15``), a folder in diffusers' layout, or a hub id.

    ``home``: where hashes of weights are kept. Raises BadInput if the model, the device or the dtype cannot be used, and Damaged for damaged toybox weights.
    """
    kind, where = pick_dtype(dtype), pick_device(device)
    if name in EMBEDDED:
        return embedded_model(name, _embedded(name), sampling, where, kind, engine)
    folder = find_pipeline(name, download=download)
    pipe = _pipeline(name, folder)
    model, readers = KINDS[folder.kind], _readers(pipe)
    network = pipe.unet if issubclass(model, StableDiffusion) else pipe.transformer
    hashed = {"unet": network, "text": readers[0].encoder, "codec": pipe.vae}  # these names are in keys
    hashed |= {reader.name: reader.encoder for reader in readers[1:]}
    files = known_hash(folder.path, home, lambda: hash_weights(hashed))
    weights = digest([files, _settings(pipe, network, readers)])
    more = {"empty": not pipe.config.force_zeros_for_empty_prompt} if model is StableDiffusionXL else {}
    made = model(
        name, weights, network, readers, pipe.vae, _noise(pipe.scheduler), pipe.scheduler.config, sampling, where, kind,
        engine, **more,
    )  # fmt: skip
    return made.settled()


def embedded_model(
    name: str,
    parts: Any,
    sampling: Sampling,
    device: torch.device,
    dtype: torch.dtype,
    engine: Engine = PLAIN,
) -> Backbone:
    """The model of parts that are built in the code, so that their settings need not be hashed."""
    weights = hash_weights(parts.trained())
    reader = Reader("text", parts.tokenizer, parts.text, parts.tokenizer.model_max_length)
    schedule = parts.scheduler.config
    own = StableDiffusion(
        name, weights, parts.unet, [reader], parts.vae, parts.scheduler, schedule, sampling, device, dtype, engine
    )
    return own.settled()


def _embedded(name: str) -> Any:
    from ..toybox.parts import TINY, build_parts
    from ..toybox.weights import read_parts

    return build_parts(TINY, seed=0) if name == "tiny" else read_parts()


def _pipeline(name: str, folder: PipelineFolder) -> Any:
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
    if (misfit := _misfit(pipe)) is not None:
        raise BadInput(f"backbone '{shown(name)}' is not a text-to-image model that cpbench can teach ({misfit}).")
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.float()  # files of half precision too: what is stored in fewer bits is for `dtype` to say
    return pipe


def _readers(pipe: Any) -> list[Reader]:
    """The text encoders of a pipeline; those of SD3 all read as many tokens as the first, but for T5."""
    found = []
    for number in ("", "_2", "_3"):
        encoder, tokenizer = getattr(pipe, f"text_encoder{number}", None), getattr(pipe, f"tokenizer{number}", None)
        if encoder is not None and tokenizer is not None:
            length = LONGEST if number == "_3" else tokenizer.model_max_length
            found.append(Reader(f"text{number}", tokenizer, encoder, length))
    return found


def _noise(scheduler: Any) -> Any:
    """What knows the noise of training: some schedulers scale noise differently (x + σε) from what a UNet learned."""
    from diffusers import DDPMScheduler

    return DDPMScheduler.from_config(scheduler.config) if "prediction_type" in scheduler.config else scheduler


def _settings(pipe: Any, network: Any, readers: Sequence[Reader]) -> list[Any]:
    """What decides the pictures besides the weights: scheduler, network, autoencoder, text encoders and tokenizers.

    Settings that the files leave out are left out here too: diffusers fills them with the defaults of its version.
    """
    configs = [pipe.scheduler.config, network.config, pipe.vae.config]
    given = [{k: v for k, v in c.items() if not k.startswith("_") and k not in _defaults(c)} for c in configs]
    texts = []
    for reader in readers:
        config = reader.encoder.config
        words = [sorted(reader.tokenizer.get_vocab().items()), reader.length]
        texts += [[getattr(config, name, None) for name in _READING], words]
    zeros = getattr(pipe.config, "force_zeros_for_empty_prompt", None)
    return [given, *texts, *([] if zeros is None else [zeros])]


def _defaults(config: Mapping[str, Any]) -> Sequence[str]:
    return config.get("_use_default_values") or ()


def _misfit(pipe: Any) -> str | None:
    """Why a pipeline is not built like those that can be taught; None if it is."""
    predicts = pipe.scheduler.config.get("prediction_type", "flow_prediction")
    if predicts not in ("epsilon", "v_prediction", "flow_prediction") or "sigma_data" in pipe.scheduler.config:
        return f"its network predicts neither noise nor velocity, but {predicts} with {type(pipe.scheduler).__name__}"
    if predicts == "epsilon" and pipe.scheduler.config.get("rescale_betas_zero_snr"):
        return "its schedule ends in noise alone, from which a network that predicts noise cannot begin to draw"
    if pipe.vae.config.get("latents_mean") is not None:
        return "its autoencoder shifts each channel by a value of its own"
    network = pipe.unet if hasattr(pipe, "unet") else pipe.transformer
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
