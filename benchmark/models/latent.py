"""What all latent diffusion models share, whatever network predicts: tokens, latents, classification and drawing."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import BadInput
from ..protocol import Pictures, Question, Subject
from ..suite.spec import Sampling
from .autoencoder import Autoencoded
from .engine import PLAIN, Engine
from .reader import Reader
from .reading import Reading
from .sampling import denoised
from .text import Text
from .text_cache import TextCache
from .text_keys import repeated, text_keys_once
from .weights import Params, sharing_copy, store_matrices


@dataclass
class LatentModel(Autoencoded, Reading):
    """A frozen latent diffusion model, see :class:`.backbone.Backbone`; a subclass knows its network.

    ``scheduler`` has the noise that the network was trained with; ``schedule`` is the configuration of the pipeline's
    own scheduler, from which samplers are made.
    """

    name: str
    weights: str
    network: Any
    readers: Sequence[Reader]
    vae: Any
    scheduler: Any
    schedule: Any
    sampling: Sampling
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    engine: Engine = PLAIN
    latents: Callable[[Pictures], NDArray[Any]] | None = None
    texts: TextCache = field(default_factory=TextCache, init=False)

    prefix: ClassVar[str]
    layers: ClassVar[Mapping[str, str]]
    reads_text: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for module in (self.network, self.vae, *(reader.encoder for reader in self.readers)):
            module.requires_grad_(False).eval()
            if next(module.parameters()).device != self.device:
                module.to(self.device)

    def settled(self) -> Self:
        """This model, just loaded, in the form in which it computes from now on."""
        if self.dtype is not torch.float32:
            for module in self.modules.values():
                store_matrices(module, self.dtype)
        if self.engine.channels_last:
            self.network.to(memory_format=torch.channels_last)
        if self.engine.checkpointing:
            self.checkpoint()
        return self._compiled()

    def _compiled(self) -> Self:
        if self.engine.compile:
            self.network.compile()  # at its first call, with the adapters that it has by then
        return self

    def copy(self) -> Self:
        """A copy for one method, which may change everything but the autoencoder."""
        own = replace(self, network=copy.deepcopy(self.network), readers=copy.deepcopy(self.readers))
        return own._compiled()

    def shared(self) -> Self:
        """A copy for one method that adds to the model, and replaces tensors, but changes none: it shares them all."""
        readers = [reader.shared() for reader in self.readers]
        return replace(self, network=sharing_copy(self.network), readers=readers)._compiled()

    def checkpoint(self) -> bool:
        """Let the network compute again in backward passes what it would keep; False where it does so, or cannot."""
        if getattr(self.network, "is_gradient_checkpointing", True):
            return False
        self.network.enable_gradient_checkpointing()
        return True

    def resampled(self, sampling: Sampling) -> Self:
        """The same model, not copied, that draws in another way."""
        return replace(self, sampling=sampling)

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The network and the text encoders by the prefix of their parameters' names."""
        return {self.prefix: self.network, **{reader.name: reader.encoder for reader in self.readers}}

    @property
    def steps(self) -> int:
        """How many t there are."""
        return int(self.scheduler.config.num_train_timesteps)

    @property
    def native(self) -> int | None:
        """The side of the pictures that the network was trained on, in pixels, if its file says so."""
        side = getattr(self.network.config, "sample_size", None)
        return side * self.factor if isinstance(side, int) else None

    @property
    def grain(self) -> int:
        """What the size of pictures must be a multiple of."""
        return self.factor

    def check_size(self) -> None:
        """Raise BadInput where the size of pictures is not a multiple of :attr:`grain`."""
        size, grain = self.sampling.size, self.grain
        if size % grain:
            near = [n for n in (size - size % grain, size - size % grain + grain) if n]
            raise BadInput(
                f"sampling.size {size}: {self.name} draws pictures whose size is a multiple of {grain}; give "
                f"{' or '.join(map(str, near))}."
            )

    # --- the model ------------------------------------------------------------------------------------------------

    def _guided(self, prompts: Sequence[str], params: Params | None) -> Text:
        """What the network reads without and with the prompts, (2n, …), for guidance."""
        return self.embed([self.sampling.negative or ""] * len(prompts) + list(prompts), params)

    def autocast(self) -> AbstractContextManager[Any]:
        """Mixed precision if ``dtype`` is lower than float32; trained parameters stay float32."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32)

    def predict(self, z: Tensor, t: Tensor, text: Sequence[str] | Text, params: Params | None = None) -> Tensor:
        """What the model predicts for noisy latents ``z`` (n, c, h, w) at ``t`` (n,), in their shape."""
        read = text if isinstance(text, Text) else self.embed(text, params)
        return self._predicted(z, self._time(t), read, params).to(z.dtype)

    def _predicted(self, z: Tensor, time: Tensor, text: Text, params: Params | None) -> Tensor:
        with self.autocast():
            out = self._call(z, time, text, params)
        return out.to(self.precision)

    def _time(self, t: Tensor) -> Tensor:
        """What the network reads for ``t`` (n,)."""
        return t

    def _call(self, z: Tensor, time: Tensor, text: Text, params: Params | None) -> Tensor:
        """The output of the network."""
        raise NotImplementedError

    def target(self, z: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What :meth:`predict` is to give for the noisy latents of ``z`` and ε, all (n, c, h, w), with ``t`` (n,)."""
        raise NotImplementedError

    def min_snr(self, t: Tensor, most: float) -> Tensor:
        """The weight of the loss at ``t`` (n,) of a model whose noise has a signal-to-noise ratio."""
        raise BadInput(f"training.min_snr: {self.name} is trained by flow matching, which has no such weights; give 0.")

    def add_noise(self, z: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Noisy latents of ``z`` and ε, all (n, c, h, w); ``t`` is (n,)."""
        raise NotImplementedError

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
        known = {text: self.embed(text, params) for text in repeated(texts, *(r.encoder for r in self.readers))}
        parts = []
        with text_keys_once(self.network, *(text.states for text in known.values())):
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

        With several ``params``, what the model predicts with each is averaged at every step, before guidance (LoRA
        Composite, arXiv 2402.16843).
        """
        n, weights = self.sampling.batch, params or (None,)
        parts = [self._batch(prompts[k : k + n], seeds[k : k + n], *weights) for k in range(0, len(prompts), n)]
        return np.concatenate(parts)

    @torch.no_grad()
    def _batch(self, prompts: Sequence[str], seeds: Sequence[int], *params: Params | None) -> Pictures:
        noise = torch.stack([self.initial_noise(seed) for seed in seeds]).to(self.device, self.precision)
        texts = [self._guided(prompts, own) for own in params]  # each with keys of its own

        def predict(zz: Tensor, time: Tensor) -> Tensor:
            found = [self._predicted(zz, time, text, own) for text, own in zip(texts, params, strict=True)]
            return torch.stack(found).mean(0) if len(found) > 1 else found[0]

        with text_keys_once(self.network, *(text.states for text in texts)):
            return self.decode(denoised(self.sampling, self.schedule, noise, predict))

    def initial_noise(self, seed: int) -> Tensor:
        """Standard normal noise (c, h, w) for one picture, drawn on the CPU: equal on all devices and in any batch."""
        shape = (self.network.config.in_channels, *[self.sampling.size // self.factor] * 2)
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
