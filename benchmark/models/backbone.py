"""What a frozen text-to-image model offers to the methods that personalise it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..protocol import Pictures, Question, Subject
from ..suite.spec import Sampling
from .engine import Engine
from .reader import Reader
from .text import Text
from .weights import Params as Params


class Backbone(Protocol):
    """A frozen latent diffusion model: a network that predicts, text encoders, and an autoencoder.

    All weights are frozen; an adapter adds trainable ones. Every forward pass accepts ``params``, a dict from full
    parameter names (``unet.…``, ``text.…``) to tensors that replace the module's own for that call. ``cpbench
    conformance --backbone NAME`` checks a model against this protocol.

    ``name``: as ``--backbone`` has it. ``weights``: a hash of all weights. ``network``: what predicts. ``readers``: the
    text encoders. ``vae``: the autoencoder. ``engine``: how it computes.
    """

    name: str
    weights: str
    network: Any
    readers: Sequence[Reader]
    vae: Any
    sampling: Sampling
    device: torch.device
    dtype: torch.dtype
    engine: Engine

    @property
    def prefix(self) -> str:
        """How names of the parameters of the network begin, without the dot."""
        ...

    @property
    def layers(self) -> Mapping[str, str]:
        """Regular expressions of the names of linear layers of the network, by role.

        ``kv``: those that make keys and values of the text. ``attention``: all projections of attention.
        """
        ...

    @property
    def reads_text(self) -> bool:
        """Whether the layers of ``kv`` read what the text encoders give, rather than what earlier layers made of it."""
        ...

    @property
    def grain(self) -> int:
        """What the size of pictures must be a multiple of."""
        ...

    @property
    def steps(self) -> int:
        """How many t there are: whole numbers from 0, which has hardly any noise, to ``steps`` − 1."""
        ...

    def copy(self) -> Backbone:
        """A copy for one method, which may change everything but the autoencoder."""
        ...

    def shared(self) -> Backbone:
        """A copy for one method that adds to the model, and replaces tensors, but changes none: it shares them all."""
        ...

    def checkpoint(self) -> bool:
        """Let the network compute again in backward passes what it would keep; False where it does so, or cannot."""
        ...

    def resampled(self, sampling: Sampling) -> Backbone:
        """The same model, not copied, that draws in another way."""
        ...

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """The network and the text encoders by the prefix of their parameters' names."""
        ...

    @property
    def precision(self) -> torch.dtype:
        """What is computed outside mixed precision: float64 if the weights are float64, else float32."""
        ...

    def autocast(self) -> AbstractContextManager[Any]:
        """Mixed precision if ``dtype`` is lower than float32; trained parameters stay float32."""
        ...

    # --- tokens -----------------------------------------------------------------------------------------------------

    @property
    def tokens(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """The embeddings (width,) of the tokens added so far, by token: one for each reader."""
        ...

    def add_token(self, token: str, rows: Sequence[Tensor]) -> list[nn.Parameter]:
        """Add a token with an embedding (width,) for each reader, returned for training; BadInput if it exists."""
        ...

    def word_rows(self, word: str) -> list[Tensor]:
        """The mean embedding (width,) of the tokens of a word, for each reader."""
        ...

    def check_prompts(self, prompts: Sequence[str], spare: int = 0) -> None:
        """Raise BadInput for the first prompt that would be truncated; it must leave ``spare`` tokens free."""
        ...

    def check_size(self) -> None:
        """Raise BadInput where pictures of the size of the suite cannot be drawn."""
        ...

    # --- the model --------------------------------------------------------------------------------------------------

    def encode(self, pictures: Pictures) -> Tensor:
        """Scaled latents (n, c, h', w') of uint8 pictures (n, h, w, 3)."""
        ...

    def decode(self, latents: Tensor) -> Pictures:
        """Pictures, uint8 (n, h, w, 3), of scaled latents (n, c, h', w')."""
        ...

    def keep_latents(self, folder: Path, key: str) -> None:
        """Keep latents of pictures in a folder; ``key``: what decides their last bits, beside the autoencoder."""
        ...

    def reconstruct(self, pictures: Pictures) -> Pictures:
        """Pictures (n, h, w, 3), encoded and decoded by the autoencoder."""
        ...

    def keep_texts(self) -> AbstractContextManager[None]:
        """Within, what was made of prompts is kept, unless text encoders train; nothing else may change them."""
        ...

    def embed(self, prompts: Sequence[str], params: Params | None = None) -> Text:
        """What the model reads of prompts; equal ones are encoded once. Raises BadInput for a prompt too long."""
        ...

    def predict(self, z: Tensor, t: Tensor, text: Sequence[str] | Text, params: Params | None = None) -> Tensor:
        """What the model predicts for noisy latents ``z`` (n, c, h, w) at ``t`` (n,), in their shape.

        It is learned to be :meth:`target`.
        """
        ...

    def target(self, z: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What :meth:`predict` is to give for the noisy latents of ``z`` and ε, all (n, c, h, w), with ``t`` (n,)."""
        ...

    def min_snr(self, t: Tensor, most: float) -> Tensor:
        """The weight of the loss at ``t`` (n,) whose signal-to-noise ratio weighs ``most`` at most (arXiv 2303.09556).

        Raises BadInput for a model that has no such ratio.
        """
        ...

    def add_noise(self, z: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Noisy latents of ``z`` and ε, all (n, c, h, w); ``t`` is (n,)."""
        ...

    def explain(
        self,
        pictures: Pictures,
        questions: Sequence[Question],
        phrase: Callable[[Subject], str] = lambda subject: subject.noun,
        params: Params | None = None,
    ) -> NDArray[np.float64]:
        """Mean squared error of the prediction per question, (len(questions),); ``phrase`` writes out subjects."""
        ...

    def sample(self, prompts: Sequence[str], seeds: Sequence[int], *params: Params | None) -> Pictures:
        """Draw one picture per pair of prompt and seed, uint8 (n, size, size, 3).

        With several ``params``, what the model predicts with each is averaged at every step, before guidance.
        """
        ...

    def initial_noise(self, seed: int) -> Tensor:
        """Standard normal noise (c, h', w') for one picture, drawn on the CPU: equal on all devices, in any batch."""
        ...
