"""The frozen text-to-image model that methods personalise: the toybox model, or any Stable Diffusion 1.x or 2.x.

All weights are frozen; an adapter adds trainable ones. Every forward pass accepts ``params``, a dict from full
parameter names (``unet.…`` or ``text.…``) to tensors that replace the module's own for that call.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import AddedToken
from torch import Tensor, nn

from ..errors import BadInput
from ..protocol import Pictures, Question, Subject
from ..suite.spec import Sampling
from .sampling import denoised
from .text_keys import repeated, text_keys_once
from .token_table import TokenTable
from .weights import Params as Params
from .weights import call_with


@dataclass
class Backbone:
    """A frozen latent diffusion model: noise predictor, text encoder, autoencoder; ``weights`` is a hash of them."""

    name: str
    weights: str
    unet: Any
    text: Any
    vae: Any
    tokenizer: Any
    scheduler: Any
    sampling: Sampling
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        for module in (self.unet, self.text, self.vae):
            module.requires_grad_(False).eval().to(self.device)
        if not isinstance(self.text.get_input_embeddings(), TokenTable):
            self.text.set_input_embeddings(TokenTable(self.text.get_input_embeddings()))

    def copy(self) -> Backbone:
        """A copy for one method, which may add adapters and tokens to it; the autoencoder is shared."""
        unet, text, tokenizer = copy.deepcopy((self.unet, self.text, self.tokenizer))
        return replace(self, unet=unet, text=text, tokenizer=tokenizer)

    @property
    def precision(self) -> torch.dtype:
        """What is computed outside mixed precision: float64 if the weights are float64, else float32."""
        return torch.float64 if next(self.unet.parameters()).dtype is torch.float64 else torch.float32

    @property
    def factor(self) -> int:
        """How many pixels a latent covers per side: 8 in Stable Diffusion 1.x and 2.x."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    def check_size(self) -> None:
        """Raise BadInput where the size of pictures is not a multiple of :attr:`factor`."""
        size, factor = self.sampling.size, self.factor
        if size % factor:
            near = [n for n in (size - size % factor, size - size % factor + factor) if n]
            raise BadInput(
                f"sampling.size {size}: {self.name} draws pictures whose size is a multiple of {factor}; give "
                f"{' or '.join(map(str, near))}."
            )

    # --- tokens ---------------------------------------------------------------------------------------------------

    @property
    def tokens(self) -> nn.ParameterDict:
        """The embeddings (width,) of the tokens added so far, by token."""
        rows: nn.ParameterDict = self.text.get_input_embeddings().rows
        return rows

    def add_token(self, token: str, row: Tensor) -> nn.Parameter:
        """Add a token with the embedding ``row`` (width,), returned for training; raises BadInput if it exists."""
        if self.tokenizer.add_tokens([AddedToken(token, normalized=False, special=False)]) != 1:
            raise BadInput(f"the token '{token}' is already in the vocabulary of {self.name}; rename the concept.")
        parameter = nn.Parameter(row.detach().clone().to(self.device, self.precision))
        self.tokens[token] = parameter
        return parameter

    @torch.no_grad()
    def word_row(self, word: str) -> Tensor:
        """The mean embedding (width,) of the tokens of a word."""
        ids = self.tokenizer(word, add_special_tokens=False, return_tensors="pt").input_ids.to(self.device)
        row: Tensor = self.text.get_input_embeddings()(ids)[0].mean(0)
        return row

    # --- the model ------------------------------------------------------------------------------------------------

    def autocast(self) -> AbstractContextManager[Any]:
        """Mixed precision if ``dtype`` is lower than float32; trained parameters stay float32."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32)

    @torch.no_grad()
    def encode(self, pictures: Pictures) -> Tensor:
        """Scaled latents (n, c, h/8, w/8) of uint8 pictures (n, h, w, 3)."""
        x = torch.from_numpy(pictures.copy()).to(self.device).permute(0, 3, 1, 2).to(self.precision) / 127.5 - 1
        out = self.vae.encode(x)
        latents: Tensor = out.latent_dist.mode() if hasattr(out, "latent_dist") else out.latents
        scaled: Tensor = latents * self.vae.config.scaling_factor
        return scaled

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Pictures:
        """Pictures, uint8 (n, 8h, 8w, 3), of scaled latents (n, c, h, w)."""
        x = self.decoded(latents).round().to(torch.uint8).permute(0, 2, 3, 1)
        return np.ascontiguousarray(x.cpu().numpy())

    @torch.no_grad()
    def decoded(self, latents: Tensor) -> Tensor:
        """Pixels in [0, 255] before they are rounded, (n, 3, 8h, 8w), of scaled latents (n, c, h, w)."""
        x: Tensor = self.vae.decode(latents.to(self.precision) / self.vae.config.scaling_factor).sample
        return (x.clamp(-1, 1) + 1) * 127.5

    def reconstruct(self, pictures: Pictures) -> Pictures:
        """Pictures (n, h, w, 3), encoded and decoded by the autoencoder.

        Runs in batches of the sampling size, the last one padded: another batch size could round differently.
        """
        n = self.sampling.batch
        full = np.concatenate([pictures, np.zeros((-len(pictures) % n, *pictures.shape[1:]), np.uint8)])
        parts = [self.decode(self.encode(full[k : k + n])) for k in range(0, len(full), n)]
        return np.concatenate(parts)[: len(pictures)]

    def check_prompts(self, prompts: Sequence[str], spare: int = 0) -> None:
        """Raise BadInput for the first prompt that would be truncated; it must leave ``spare`` tokens free."""
        self._check_lengths(prompts, [self.tokenizer(prompt).input_ids for prompt in prompts], spare)

    def _check_lengths(self, prompts: Sequence[str], ids: Sequence[Sequence[int]], spare: int = 0) -> None:
        limit = self.tokenizer.model_max_length
        for prompt, own in zip(prompts, ids, strict=True):
            if len(own) + spare > limit:
                raise BadInput(
                    f"the prompt '{prompt}' is longer than {limit} tokens, the limit of {self.name}; shorten it."
                )

    def embed(self, prompts: Sequence[str], params: Params | None = None) -> Tensor:
        """Text states (n, length, width); equal prompts are encoded once. Raises BadInput for a prompt too long."""
        unique = list(dict.fromkeys(prompts))
        listed = self.tokenizer(unique, padding="max_length").input_ids  # lists: long prompts cannot form a tensor
        self._check_lengths(unique, listed)
        ids = torch.tensor(listed)
        with self.autocast():
            states = call_with(self.text, "text.", params, ids.to(self.device)).last_hidden_state
        where = {prompt: k for k, prompt in enumerate(unique)}
        chosen: Tensor = states[[where[p] for p in prompts]]
        return chosen

    def predict(self, z: Tensor, t: Tensor, text: Sequence[str] | Tensor, params: Params | None = None) -> Tensor:
        """What the model predicts for noisy latents ``z`` (n, c, h, w) at ``t`` (n,) in [0, 1000), in their shape.

        It is learned to be :meth:`target`. ``text`` is prompts, or states (n, length, width) from :meth:`embed`.
        """
        states = text if isinstance(text, Tensor) else self.embed(text, params)
        return self._raw(z, t, states, params).to(z.dtype)

    def target(self, z: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What :meth:`predict` is to give for x_t of ``z`` and ε, all (n, c, h, w), with ``t`` (n,).

        The noise ε, or, of a model that predicts it, the velocity v = √ᾱ_t ε − √(1 - ᾱ_t) z (Salimans & Ho, arXiv
        2202.00512). The error of v is that of ε divided by ᾱ_t.
        """
        if self.scheduler.config.prediction_type != "v_prediction":
            return noise
        velocity: Tensor = self.scheduler.get_velocity(z, noise, t)
        return velocity

    def add_noise(self, z: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Noisy latents x_t = √ᾱ_t z + √(1 - ᾱ_t) ε of the shape of ``z`` (n, c, h, w); ``t`` is (n,)."""
        noisy: Tensor = self.scheduler.add_noise(z, noise, t)
        return noisy

    @torch.no_grad()
    def explain(
        self,
        pictures: Pictures,
        questions: Sequence[Question],
        phrase: Callable[[Subject], str] = lambda subject: subject.noun,
        params: Params | None = None,
    ) -> NDArray[np.float64]:
        """Mean squared error of the prediction per question, (len(questions),); ``phrase`` writes out subjects."""
        z, n = self.encode(pictures), self.sampling.batch
        texts = [tuple(q.prompt.render(phrase) for q in questions[k : k + n]) for k in range(0, len(questions), n)]
        known = {text: self.embed(text, params) for text in repeated(texts, self.text)}
        parts = []
        with text_keys_once(self.unet, *known.values()):
            for k, text in enumerate(texts):
                some = questions[n * k : n * (k + 1)]
                noise = torch.stack([self.initial_noise(q.seed) for q in some]).to(self.device)
                t = torch.tensor([q.t for q in some], device=self.device)
                shown = z[[q.picture for q in some]]
                noisy, target = self.add_noise(shown, noise, t), self.target(shown, noise, t)
                error = self.predict(noisy, t, known.get(text, text), params) - target
                parts.append(error.square().mean((1, 2, 3)).cpu().double().numpy())
        return np.concatenate(parts)

    # --- sampling -------------------------------------------------------------------------------------------------

    def sample(self, prompts: Sequence[str], seeds: Sequence[int], *params: Params | None) -> Pictures:
        """Draw one picture per pair of prompt and seed, uint8 (n, size, size, 3), in batches of the suite's size.

        With several ``params``, the noise that the model predicts with each is averaged at every step, before guidance
        (LoRA Composite, arXiv 2402.16843).
        """
        n, weights = self.sampling.batch, params or (None,)
        parts = [self._batch(prompts[k : k + n], seeds[k : k + n], *weights) for k in range(0, len(prompts), n)]
        return np.concatenate(parts)

    @torch.no_grad()
    def _batch(self, prompts: Sequence[str], seeds: Sequence[int], *params: Params | None) -> Pictures:
        noise = torch.stack([self.initial_noise(seed) for seed in seeds]).to(self.device, self.precision)
        texts = [self.embed([""] * len(prompts) + list(prompts), own) for own in params]  # each with keys of its own

        def predict(zz: Tensor, t: Tensor) -> Tensor:
            found = [self._raw(zz, t, text, own) for text, own in zip(texts, params, strict=True)]
            return torch.stack(found).mean(0) if len(found) > 1 else found[0]

        with text_keys_once(self.unet, *texts):
            return self.decode(denoised(self.sampling, self.scheduler.config, noise, predict))

    def _raw(self, z: Tensor, t: Tensor, states: Tensor, params: Params | None) -> Tensor:
        with self.autocast():
            out: Tensor = call_with(self.unet, "unet.", params, z, t, states).sample
        return out.to(self.precision)

    def initial_noise(self, seed: int) -> Tensor:
        """Standard normal noise (c, h, w) for one picture, drawn on the CPU: equal on all devices and in any batch."""
        shape = (self.unet.config.in_channels, *[self.sampling.size // self.factor] * 2)
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
