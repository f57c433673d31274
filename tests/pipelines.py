"""Pipelines of diffusers with small random weights, written as folders in the layout of the hub."""

import json
import warnings
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDPMScheduler,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from cpbench.benchmark.toybox.parts import MAX_TOKENS, build_tokenizer

SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
TEXT, TEXT_2, POOLED = 32, 48, 40


def autoencoder(channels=4, **more):
    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=channels,
        **more,
    )


def text_encoder(width, kind=CLIPTextModel, eos=1, **more):
    config = CLIPTextConfig(
        vocab_size=len(build_tokenizer()),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=MAX_TOKENS,
        bos_token_id=0,
        eos_token_id=eos,
        pad_token_id=1,
        **more,
    )
    return kind(config)


def unet(width, **more):
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        cross_attention_dim=width,
        attention_head_dim=4,
        norm_num_groups=8,
        **more,
    )


def sd(scheduler=None, **schedule):
    """Stable Diffusion 1.x or 2.x."""
    scheduler = scheduler or DDPMScheduler
    return StableDiffusionPipeline(
        vae=autoencoder(),
        text_encoder=text_encoder(TEXT),
        tokenizer=build_tokenizer(),
        unet=unet(TEXT),
        scheduler=scheduler(**{**SCHEDULE, **schedule}),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sdxl(scheduler=None, eos=1, **schedule):
    """SDXL: two text encoders of other widths, pooled text, time ids."""
    scheduler = scheduler or DDPMScheduler
    return StableDiffusionXLPipeline(
        vae=autoencoder(scaling_factor=0.13025),
        text_encoder=text_encoder(TEXT),
        tokenizer=build_tokenizer(),
        text_encoder_2=text_encoder(TEXT_2, CLIPTextModelWithProjection, eos, projection_dim=POOLED),
        tokenizer_2=build_tokenizer(),
        unet=unet(
            TEXT + TEXT_2,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + POOLED,
        ),
        scheduler=scheduler(**{**SCHEDULE, "clip_sample": False, **schedule}),
    )


def sd3(shift=3.0):
    """Stable Diffusion 3 without T5."""
    return StableDiffusion3Pipeline(
        transformer=SD3Transformer2DModel(
            sample_size=8,
            patch_size=2,
            in_channels=16,
            out_channels=16,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=4,
            joint_attention_dim=96,
            caption_projection_dim=32,
            pooled_projection_dim=2 * POOLED,
            pos_embed_max_size=16,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=shift),
        vae=autoencoder(16, scaling_factor=1.5305, shift_factor=0.0609),
        text_encoder=text_encoder(TEXT, CLIPTextModelWithProjection, projection_dim=POOLED),
        tokenizer=build_tokenizer(),
        text_encoder_2=text_encoder(TEXT_2, CLIPTextModelWithProjection, projection_dim=POOLED),
        tokenizer_2=build_tokenizer(),
        text_encoder_3=None,
        tokenizer_3=None,
    )


KINDS = {
    "noise": sd,
    "velocity": lambda: sd(prediction_type="v_prediction"),
    "sdxl": sdxl,
    "flow": sd3,
}


def written(folder, make, seed=0, *, bare=False, **options):
    """A pipeline as diffusers reads it from a folder, and the folder as text.

    ``bare``: the file of the scheduler says only what is not its default, as those of old models do.
    """
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # that a file does not say clip_sample=False
        torch.manual_seed(seed)
        pipe = make()
        pipe.save_pretrained(folder, **options)
        if bare:
            kept = {k: pipe.scheduler.config[k] for k in ("_class_name", *SCHEDULE)}
            (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(kept))
        absent = {name: None for name, part in pipe.components.items() if part is None}
        pipe = type(pipe).from_pretrained(folder, **absent, **options)
    pipe.set_progress_bar_config(disable=True)
    return pipe, str(folder)


VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "sample_size": 512,
}
SD15 = {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8}
"""The settings of the UNet of Stable Diffusion 1.5 that are not diffusers' own."""
SDXL = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": [1, 2, 10],
    "attention_head_dim": [5, 10, 20],
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
"""The same of SDXL."""


def clip(width, layers, heads, projection=768):
    """The settings of a CLIP text encoder, with the vocabulary of toybox."""
    return CLIPTextConfig(
        vocab_size=len(build_tokenizer()), hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers,
        num_attention_heads=heads, max_position_embeddings=77, projection_dim=projection, bos_token_id=0,
        eos_token_id=1, pad_token_id=1,
    )  # fmt: skip


def settings_alone(folder, unet, *encoders):
    """A folder that has all settings of a pipeline of true size, and no weights."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    xl, folder = len(encoders) > 1, str(folder)
    names = ["text_encoder", "text_encoder_2"][: len(encoders)]
    with FakeTensorMode():
        UNet2DConditionModel(**unet).save_config(f"{folder}/unet")
        AutoencoderKL(**VAE).save_config(f"{folder}/vae")
    DDPMScheduler(**SCHEDULE, clip_sample=False).save_pretrained(f"{folder}/scheduler")
    index = {"unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    index["scheduler"] = ["diffusers", "DDPMScheduler"]
    for name, config in zip(names, encoders, strict=True):
        config.save_pretrained(f"{folder}/{name}")
        kind = "CLIPTextModelWithProjection" if name.endswith("_2") else "CLIPTextModel"
        index[name] = ["transformers", kind]
        tokenizer = build_tokenizer()
        tokenizer.save_pretrained(f"{folder}/{name.replace('text_encoder', 'tokenizer')}")
        index[name.replace("text_encoder", "tokenizer")] = ["transformers", type(tokenizer).__name__]
    kind = "StableDiffusionXLPipeline" if xl else "StableDiffusionPipeline"
    more = {"force_zeros_for_empty_prompt": True} if xl else {}
    Path(folder, "model_index.json").write_text(json.dumps({"_class_name": kind, **more, **index}))
    return folder


def with_random_weights(folder, unet, text, vae):
    """Write a pipeline with the settings of a UNet and a text encoder; returns the bytes of its weights.

    ``vae``: makes its autoencoder.
    """
    settings_alone(folder, unet, text)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        parts = {"unet": UNet2DConditionModel(**unet), "vae": vae(), "text_encoder": CLIPTextModel(text)}
        for name, part in parts.items():
            part.save_pretrained(folder / name)
    return sum(p.nbytes for part in parts.values() for p in part.parameters())
