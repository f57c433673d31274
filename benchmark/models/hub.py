"""Weights of public models in the local caches. Nothing is downloaded: an error has the command to run instead."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..errors import BadInput, Damaged
from ..hashing import sha256


def hub_files(who: str, repository: str, *names: str) -> list[Path]:
    """Files of a Hugging Face repository in the local cache; raises BadInput with the command to fetch missing ones."""
    try:
        return [Path(hf_hub_download(repository, name, local_files_only=True)) for name in names]
    except LocalEntryNotFoundError:
        raise BadInput(
            f"{who} needs weights that are not on this machine; fetch them with "
            f"'hf download {repository} {' '.join(names)}'."
        ) from None


def torch_file(who: str, name: str, url: str) -> Path:
    """A file in the cache of torch.hub, whose name ends with the first digits of its SHA-256.

    Raises BadInput with the command to fetch a missing file, and Damaged if it does not match its name.
    """
    file = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not file.is_file():
        raise BadInput(
            f"{who} needs weights that are not on this machine; fetch them with "
            f"'curl -L --create-dirs -o {file} {url}'."
        )
    if not sha256(file).startswith(file.stem.rpartition("-")[2]):
        raise Damaged(f"{file} does not match its checksum; remove it and fetch it again.")
    return file


def load_into(network: nn.Module, file: Path) -> None:
    """Load a safetensors file into a network; raises Damaged if its tensors are not those of the network."""
    fill(network, load_file(file), file)


def fill(network: nn.Module, tensors: Mapping[str, Tensor], file: Path) -> None:
    """Load the tensors of ``file`` into a network; raises Damaged if they are not those of the network."""
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:160]
        raise Damaged(f"{file} has unexpected weights ({reason}…); remove it and fetch it again.") from None
