"""What a model reads of prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

Rows = slice | Sequence[int] | Tensor
"""Which prompts, by place."""


@dataclass(frozen=True)
class Text:
    """n prompts as a model reads them.

    ``states``: one per token, (n, length, width). ``pooled``: in some models, one vector per prompt, (n, width').
    """

    states: Tensor
    pooled: Tensor | None = None

    def __len__(self) -> int:
        return len(self.states)

    def __getitem__(self, rows: Rows) -> Text:
        """The same of some prompts."""
        return Text(self.states[rows], None if self.pooled is None else self.pooled[rows])
