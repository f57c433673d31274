"""Weights of public models that are already on this machine. Nothing is fetched here: the user is told how to."""

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
    """Files of a Hugging Face repository in the local cache; raises BadInput with the command that fetches them."""
    try:
        return [Path(hf_hub_download(repository, name, local_files_only=True)) for name in names]
    except LocalEntryNotFoundError:
        raise BadInput(
            f"{who} needs weights that are not on this machine; fetch them once with "
            f"'hf download {repository} {' '.join(names)}'."
        ) from None


def torch_file(who: str, name: str, url: str) -> Path:
    """A file of torch's hub cache whose name ends with the first digits of its sha256, as torch writes it.

    Raises BadInput with the command that fetches it, and Damaged where it does not match.
    """
    file = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not file.is_file():
        raise BadInput(
            f"{who} needs weights that are not on this machine; fetch them once with "
            f"'curl -L --create-dirs -o {file} {url}'."
        )
    if not sha256(file).startswith(file.stem.rpartition("-")[2]):
        raise Damaged(f"{file} has a wrong checksum; remove it and fetch it again.")
    return file


def load_into(network: nn.Module, file: Path) -> None:
    """Fill a network from a safetensors file; raises Damaged where its tensors are not those of the network."""
    fill(network, load_file(file), file)


def fill(network: nn.Module, tensors: Mapping[str, Tensor], file: Path) -> None:
    """Fill a network; raises Damaged, with the name of the file, where its tensors are not those of the network."""
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:160]
        raise Damaged(f"{file} holds other weights than expected ({reason}…); remove it and fetch it again.") from None
