"""Drawing against the pipeline of diffusers, on the same weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from diffusers import StableDiffusionPipeline

from ..models.sampling import sampler_of
from ..models.unet import StableDiffusion
from .bench import NOUN, Bench
from .paired import paired
from .row import Measurement, Row, ratio_row

_MOST = 8  # pictures at once


def drawing_measurements(bench: Bench) -> Iterator[Measurement]:
    """At the same batch, and prompt by prompt."""
    yield Measurement("drawing, beside a pipeline at the same batch", lambda: [_drawn(bench, together=True)])
    yield Measurement("drawing, beside a pipeline prompt by prompt", lambda: [_drawn(bench, together=False)])


def _drawn(bench: Bench, *, together: bool) -> Row:
    model, texts = bench.backbone, bench.suite.prompts.evaluation
    n = min(_MOST, model.sampling.batch)
    prompts, pipe = [texts[k % len(texts)].format(NOUN) for k in range(n)], pipeline_of(model)
    groups = [prompts] if together else [[prompt] for prompt in prompts]

    def ours() -> None:
        model.sample(prompts, range(n))

    def theirs() -> None:
        for group in groups:
            draw(pipe, model, group)

    how = "all at once" if together else "one by one"
    pairs = paired(ours, theirs, bench.repeats, bench.clock)
    return ratio_row("drawing", f"drawing {n} pictures at once", f"diffusers, {how}", pairs)


def pipeline_of(model: StableDiffusion) -> Any:
    """The pipeline of diffusers with the parts of a model, and the sampler of the suite."""
    (reader,) = model.readers
    pipe = StableDiffusionPipeline(
        vae=model.vae,
        text_encoder=reader.encoder,
        tokenizer=reader.tokenizer,
        unet=model.network,
        scheduler=sampler_of(model.sampling.sampler, model.schedule),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(pipe: Any, model: StableDiffusion, prompts: list[str]) -> Any:
    """Pictures (n, size, size, 3) in [0, 1] of some prompts from a pipeline, with the sampling of a model."""
    s = model.sampling
    return pipe(
        prompts,
        height=s.size,
        width=s.size,
        num_inference_steps=s.steps,
        guidance_scale=s.guidance,
        generator=[torch.Generator().manual_seed(k) for k in range(len(prompts))],
        output_type="np",
    ).images
