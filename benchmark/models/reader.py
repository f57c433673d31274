"""A text encoder with its tokenizer, and the tokens of learned concepts in both."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import AddedToken
from torch import Tensor, nn

from ..errors import BadInput
from .token_table import TokenTable
from .weights import Params, call_with, sharing_copy


@dataclass
class Reader:
    """A text encoder of a model: ``name`` begins the names of its parameters (``text.…``).

    ``length``: how many tokens it reads of a prompt.
    """

    name: str
    tokenizer: Any
    encoder: Any
    length: int

    def __post_init__(self) -> None:
        self.encoder.requires_grad_(False).eval()
        if not isinstance(self.encoder.get_input_embeddings(), TokenTable):
            self.encoder.set_input_embeddings(TokenTable(self.encoder.get_input_embeddings()))

    def shared(self) -> Reader:
        """A copy that may get adapters and tokens of its own, with the same frozen tensors."""
        own = Reader(self.name, copy.deepcopy(self.tokenizer), sharing_copy(self.encoder), self.length)
        own.table.rows = copy.deepcopy(self.table.rows)
        return own

    @property
    def table(self) -> TokenTable:
        """The embeddings of all tokens."""
        found: TokenTable = self.encoder.get_input_embeddings()
        return found

    def add_token(self, token: str, row: Tensor, precision: torch.dtype) -> nn.Parameter:
        """Add a token with the embedding ``row`` (width,); raises BadInput if the tokenizer has it already."""
        if self.tokenizer.add_tokens([AddedToken(token, normalized=False, special=False)]) != 1:
            raise BadInput(f"the token '{token}' is already in the vocabulary of the model; rename the concept.")
        parameter = nn.Parameter(row.detach().clone().to(self.table.weight.device, precision))
        self.table.rows[token] = parameter
        return parameter

    @torch.no_grad()
    def word_row(self, word: str) -> Tensor:
        """The mean embedding (width,) of the tokens of a word."""
        ids = self.tokenizer(word, add_special_tokens=False, return_tensors="pt").input_ids.to(self.table.weight.device)
        row: Tensor = self.table(ids)[0].mean(0)
        return row

    def count(self, text: str) -> int:
        """How many tokens a text has, with those that begin and end it."""
        return len(self.tokenizer(text).input_ids)

    def pieces(self, text: str) -> list[int]:
        """The tokens of a text, without those that begin and end it."""
        found: list[int] = self.tokenizer(text, add_special_tokens=False).input_ids
        return found

    def places(self, prompt: str, words: str) -> list[int]:
        """Where the tokens of some words are in a prompt."""
        own = set(self.pieces(words))
        return [k for k, i in enumerate(self.tokenizer(prompt).input_ids) if i in own]

    def words(self) -> list[str]:
        """The plain words that are one token each, in alphabetical order; in the way that CLIP marks them."""
        ends = sorted(w.removesuffix("</w>") for w in self.tokenizer.get_vocab() if w.endswith("</w>"))
        return [w for w in ends if w.isascii() and w.isalpha()]

    def check(self, prompts: Sequence[str], model: str, spare: int = 0) -> None:
        """Raise BadInput for the first prompt that would be truncated; it must leave ``spare`` tokens free."""
        self._check(prompts, [self.tokenizer(prompt).input_ids for prompt in prompts], model, spare)

    def _check(self, prompts: Sequence[str], ids: Sequence[Sequence[int]], model: str, spare: int = 0) -> None:
        for prompt, own in zip(prompts, ids, strict=True):
            if len(own) + spare > self.length:
                raise BadInput(
                    f"the prompt '{prompt}' is longer than {self.length} tokens, the limit of {model}; shorten it."
                )

    def ids(self, prompts: Sequence[str], model: str) -> Tensor:
        """The tokens of prompts, padded, (n, length); raises BadInput for a prompt too long."""
        listed = self.tokenizer(prompts, padding="max_length", max_length=self.length).input_ids
        self._check(prompts, listed, model)  # before they form a tensor: long prompts cannot
        return torch.tensor(listed).to(self.table.weight.device)

    def read(self, ids: Tensor, params: Params | None, **options: Any) -> Any:
        """The output of the encoder for tokens (n, length)."""
        return call_with(self.encoder, f"{self.name}.", params, ids, **options)

    def pooled(self, ids: Tensor, found: Any) -> Tensor:
        """The projected state (n, width) of the token that ends each prompt, of an output for ``ids``.

        The encoder itself takes the last-numbered token where its file calls token 2 the end, as published ones do; it
        would take a learned token, which is numbered after all others.
        """
        ends = (ids == self.tokenizer.eos_token_id).int().argmax(-1)
        projected: Tensor = self.encoder.text_projection(found.last_hidden_state[torch.arange(len(ids)), ends])
        return projected
