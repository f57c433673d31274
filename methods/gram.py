"""Products of all pairs of long rows that need not fit into memory together."""

from __future__ import annotations

import tempfile
from types import TracebackType

import torch
from torch import Tensor

_BYTES = 64 * 2**20


class Rows:
    """Rows (p,) added one by one, all of one dtype: in memory up to ``most`` bytes, in a temporary file beyond.

    The file is in the folder for temporary files (``TMPDIR``), and is deleted at the end of a ``with`` block.
    """

    def __init__(self, most: int = _BYTES) -> None:
        self.most, self.shape, self.dtype = most, (0, 0), torch.float32
        self._file = tempfile.SpooledTemporaryFile(max_size=most)

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def append(self, row: Tensor) -> None:
        """Add a row, from any device."""
        self.shape, self.dtype = (self.shape[0] + 1, len(row)), row.dtype
        self._file.write(row.cpu().numpy().data)

    def gram(self) -> Tensor:
        """G Gᵀ, in float64 (n, n), summed over blocks of columns of G that take ``most`` bytes at most."""
        (n, p), total = self.shape, torch.zeros(self.shape[0], self.shape[0], dtype=torch.float64)
        width = max(1, self.most // max(1, n * total.itemsize))
        for start in range(0, p, width):
            g = self._columns(start, min(width, p - start)).double()
            total += g @ g.T
        return total

    def _columns(self, start: int, width: int) -> Tensor:
        (n, p), block = self.shape, torch.empty(self.shape[0], width, dtype=self.dtype)
        for k in range(n):
            self._file.seek((k * p + start) * self.dtype.itemsize)
            self._file.readinto(block[k].numpy().data)
        return block
