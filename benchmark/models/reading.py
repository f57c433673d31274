"""What a latent diffusion model reads: prompts, and the tokens of learned concepts in them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from .reader import Reader
from .text import Text
from .text_cache import TextCache
from .weights import Params


class Reading:
    """Text encoders, as one; ``texts``: what they made of the last prompts."""

    name: str
    readers: Sequence[Reader]
    texts: TextCache

    @property
    def precision(self) -> torch.dtype:
        """What is computed outside mixed precision."""
        raise NotImplementedError

    def autocast(self) -> AbstractContextManager[Any]:
        """Mixed precision, where the model computes in it."""
        raise NotImplementedError

    def keep_texts(self) -> AbstractContextManager[None]:
        """Within, what was made of prompts is kept, unless text encoders train; only they may change meanwhile."""
        return self.texts.keeping()

    @property
    def tokens(self) -> dict[str, list[nn.Parameter]]:
        """The embeddings (width,) of the tokens added so far, by token: one for each reader."""
        return {token: [r.table.rows[token] for r in self.readers] for token in self.readers[0].table.rows}

    def add_token(self, token: str, rows: Sequence[Tensor]) -> list[nn.Parameter]:
        """Add a token with an embedding (width,) for each reader, returned for training; BadInput if it exists."""
        return [r.add_token(token, row, self.precision) for r, row in zip(self.readers, rows, strict=True)]

    def word_rows(self, word: str) -> list[Tensor]:
        """The mean embedding (width,) of the tokens of a word, for each reader."""
        return [reader.word_row(word) for reader in self.readers]

    def check_prompts(self, prompts: Sequence[str], spare: int = 0) -> None:
        """Raise BadInput for the first prompt that would be truncated; it must leave ``spare`` tokens free."""
        for reader in self.readers:
            reader.check(prompts, self.name, spare)

    def embed(self, prompts: Sequence[str], params: Params | None = None) -> Text:
        """What the model reads of prompts; equal ones are encoded once. Raises BadInput for a prompt too long."""
        unique = list(dict.fromkeys(prompts))
        where, encoders = {prompt: k for k, prompt in enumerate(unique)}, [reader.encoder for reader in self.readers]
        if params is None:
            found = self.texts.of(unique, encoders, lambda: self._embedded(unique, None))
        else:
            found = self._embedded(unique, params)
        return found[[where[p] for p in prompts]]

    def _embedded(self, prompts: Sequence[str], params: Params | None) -> Text:
        ids = [reader.ids(prompts, self.name) for reader in self.readers]
        with self.autocast():
            return self._read(ids, params)

    def _read(self, ids: Sequence[Tensor], params: Params | None) -> Text:
        """The output of the text encoders, as the network reads it, for tokens (n, length) of each reader."""
        raise NotImplementedError
