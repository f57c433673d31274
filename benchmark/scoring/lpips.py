"""Diversity by LPIPS (Zhang et al., 2018) from torchmetrics, with AlexNet weights from the local cache."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ..models.hub import torch_file
from ..protocol import Features, Pictures

Distance = Callable[[Tensor, Tensor], Tensor]
"""Distances (n,) of pictures in [-1, 1], (n, 3, h, w)."""
ALEXNET = "alexnet-owt-7be5be79.pth"


def lpips_diversity(pictures: Pictures, groups: ArrayLike, distance: Distance | None = None) -> Features:
    """Mean LPIPS distance of each picture (m, h, w, 3) to the others of its group, (m,); NaN for a group of one.

    ``groups`` (m,) are labels. ``distance`` replaces LPIPS. Raises BadInput with a command to run if AlexNet's weights
    are missing, and Damaged if they do not match.
    """
    of, network = np.asarray(groups), distance or lpips_network()
    x = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    first, second = (torch.tensor(k) for k in np.nonzero(np.triu(of[:, None] == of, 1)))
    total, pairs = np.zeros(len(of)), np.zeros(len(of))
    for a, b in zip(torch.split(first, 32), torch.split(second, 32), strict=True):
        with torch.no_grad():
            found = network(x[a], x[b]).flatten().double().numpy()
        for rows in (a.numpy(), b.numpy()):
            np.add.at(total, rows, found)
            np.add.at(pairs, rows, 1)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / pairs)


@cache
def lpips_network() -> Any:
    """The LPIPS network of torchmetrics. The checksum of AlexNet is verified, and the restricted unpickler reads it."""
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    torch_file("LPIPS", ALEXNET, f"https://download.pytorch.org/models/{ALEXNET}")
    with _weights_only():
        return LearnedPerceptualImagePatchSimilarity(net_type="alex").net


@contextmanager
def _weights_only() -> Iterator[None]:
    """Inside this block, torch.load accepts tensors only."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before
