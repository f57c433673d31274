"""The fingerprint of models without any method: encoding, noise, predictions, and every sampler."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch

from ..models.latent import LatentModel
from ..models.sampling import SAMPLERS
from ..protocol import Prompt, Question, Subject
from ..suite.spec import Sampling
from .listening import hear_model
from .models import KINDS, model_of, suite_of
from .quantities import Book, normal, uniform

_PROMPTS = ("a photo of a cat at night", "photo of a car")
_GUIDANCES = (0.0, 1.0, 2.5)


def write_sampling(book: Book) -> None:
    """Write down what the model of every kind computes."""
    for kind in KINDS:
        with book.at(kind), torch.no_grad():
            model = model_of(kind, suite_of(kind).sampling)
            _parts(model, book)
            _classified(model, book)
            _drawn(model, _GUIDANCES if kind == KINDS[0] else _GUIDANCES[-1:], book)


def _parts(model: LatentModel, book: Book) -> None:
    """What training uses of a model."""
    config = model.scheduler.config
    book.text("scheduler", [config.prediction_type, config.num_train_timesteps, config.timestep_spacing])
    book.numbers("alphas", *model.scheduler.alphas_cumprod[[0, 10, 500, 990, 999]].tolist())
    for seed in (0, 1):
        book.vector(f"noise of seed {seed}", model.initial_noise(seed))
    pictures = np.round((uniform((2, 64, 64, 3), 5) + 2) * 60).astype(np.uint8)
    latents = model.encode(pictures)
    book.vector("encoded", latents)
    book.vector("decoded", model.decoded(latents))
    t = torch.tensor([20, 700])
    noise = torch.from_numpy(normal(latents.shape, 6))
    noisy = model.add_noise(latents, noise, t)
    book.vector("noisy", noisy)
    book.vector("embedded", model.embed(_PROMPTS).states)
    book.vector("word", model.word_rows("cat")[0])
    book.vector("predicted", model.predict(noisy, t, _PROMPTS))
    book.vector("target", model.target(latents, noise, t))
    model.add_token("<own>", [1.5 * row for row in model.word_rows("dog")])
    book.vector("embedded with a token", model.embed(["photo of a <own> dog"]).states)
    name, weight = next((n, p) for n, p in model.network.named_parameters() if n.endswith("attn2.to_k.weight"))
    book.vector("predicted by other weights", model.predict(noisy, t, _PROMPTS, {f"unet.{name}": 2 * weight}))


def _classified(model: LatentModel, book: Book) -> None:
    pictures = np.round((uniform((2, 64, 64, 3), 7) + 2) * 60).astype(np.uint8)
    asked = [
        Question(k, Prompt("photo of a {}", (Subject("", noun),)), t, seed)
        for k, (noun, t, seed) in itertools.product((0, 1), (("cat", 125, 1), ("car", 875, 2)))
    ]
    book.numbers("errors", *model.explain(pictures, asked))


def _drawn(model: LatentModel, guidances: Sequence[float], book: Book) -> None:
    """Every sampler with each guidance; alone, a picture is what it is in a batch."""
    for sampler, guidance in itertools.product(SAMPLERS, guidances):
        for steps, batch in ((3, 2), (2, 1)) if guidance == guidances[-1] else ((2, 2),):
            # Not validated: suites do not admit a guidance below 1.
            sampling = Sampling.model_construct(sampler=sampler, steps=steps, guidance=guidance, batch=batch, size=64)
            other = model.resampled(sampling)
            hear_model(other, book)
            with book.at(f"{sampler}, guidance {guidance}, {steps} steps, batch {batch}"):
                other.sample(_PROMPTS, [3, 4])
