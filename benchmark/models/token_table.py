"""The embedding table of a text encoder, with rows for new tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TokenTable(nn.Module):
    """A frozen embedding table with a separate parameter per new token, so that training cannot change old rows."""

    def __init__(self, table: nn.Embedding) -> None:
        super().__init__()
        self.table = table
        self.rows = nn.ParameterDict()

    @property
    def weight(self) -> Tensor:
        """The frozen table (tokens, width); transformers reads its device and dtype from here."""
        return self.table.weight

    def forward(self, ids: Tensor) -> Tensor:
        """Embeddings (n, length, width) of ids (n, length); ids beyond the table are the new tokens, in order."""
        known = self.table.num_embeddings
        embedded: Tensor = self.table(ids.clamp(max=known - 1))
        if self.rows:
            rows = torch.stack(list(self.rows.values())).to(embedded.dtype)
            new = ids >= known
            embedded = torch.where(new[..., None], rows[(ids - known).clamp(min=0)], embedded)
        return embedded
