"""Loads backbones: ``toybox`` (embedded), ``tiny`` (random weights, for tests), or a pipeline of diffusers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from ..errors import BadInput
from ..hashing import digest
from ..suite.spec import Sampling
from ..wording import shown
from .backbone import Backbone
from .engine import PLAIN, Engine
from .flow import LONGEST
from .folders import find_pipeline
from .known_hashes import kept_hash, known_hash
from .latent import LatentModel
from .outline import outline
from .pipeline import KINDS, misfit, network_of, read_pipeline
from .reader import Reader
from .unet import StableDiffusion, StableDiffusionXL
from .weights import hash_weights

EMBEDDED = ("tiny", "toybox")
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

    ``home``: where hashes of weights are kept.

    Raises BadInput if the model, the device or the dtype cannot be used, and Damaged for damaged toybox weights.
    """
    kind, where = pick_dtype(dtype), pick_device(device)
    if name in EMBEDDED:
        return embedded_model(name, embedded_parts(name), sampling, where, kind, engine)
    folder = find_pipeline(name, download=download)
    pipe = read_pipeline(name, folder)
    files = known_hash(folder.path, home, lambda: hash_weights(_hashed(pipe)))
    return _model(name, folder.kind, pipe, files, sampling, where, kind, engine)


def imagined(name: str, sampling: Sampling, dtype: str, home: Path | None = None) -> tuple[Backbone, FakeTensorMode]:
    """A model whose tensors have shapes and no content, and the mode in which it may be called: for its memory.

    Of a folder, only the settings are read. ``weights`` is that of the model itself where ``home`` has it, else empty.
    """
    kind, cpu, mode = pick_dtype(dtype), torch.device("cpu"), FakeTensorMode(allow_non_fake_inputs=True)
    if name in EMBEDDED:
        return embedded_model(name, embedded_parts(name), sampling, cpu, kind, PLAIN), mode
    folder = find_pipeline(name, weights=False)
    files = kept_hash(folder.path, home) if home else None
    model = _model(name, folder.kind, outline(folder, mode), files or "", sampling, cpu, kind, PLAIN)
    return (model if files else replace(model, weights="")), mode


def _hashed(pipe: Any) -> dict[str, Any]:
    """What has weights, by the names that are in keys."""
    first, *others = _readers(pipe)
    return {
        "unet": network_of(pipe), "text": first.encoder, "codec": pipe.vae,
        **{reader.name: reader.encoder for reader in others},
    }  # fmt: skip


def _model(
    name: str,
    kind: str,
    pipe: Any,
    files: str,
    sampling: Sampling,
    device: torch.device,
    dtype: torch.dtype,
    engine: Engine,
) -> LatentModel:
    """The model of a pipeline of a kind; ``files``: the hash of its weights."""
    if (why := misfit(pipe)) is not None:
        raise BadInput(f"backbone '{shown(name)}' is not a text-to-image model that cpbench can teach ({why}).")
    model, readers, network = KINDS[kind], _readers(pipe), network_of(pipe)
    weights = digest([files, _settings(pipe, network, readers)])
    more: dict[str, Any] = {"empty": not pipe.config.force_zeros_for_empty_prompt} if model is StableDiffusionXL else {}
    made = model(
        name, weights, network, readers, pipe.vae, _noise(pipe.scheduler), pipe.scheduler.config, sampling, device,
        dtype, engine, **more,
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


def embedded_parts(name: str) -> Any:
    """The parts of an embedded model, as :class:`.toybox.parts.Parts`."""
    from ..toybox.parts import TINY, build_parts
    from ..toybox.weights import read_parts

    return build_parts(TINY, seed=0) if name == "tiny" else read_parts()


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
