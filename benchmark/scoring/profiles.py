"""Profiles: named sets of metrics, extractors and scales, after the papers that use them.

Scores of different profiles cannot be compared, so every record names its profile. ``image_align`` is CLIP-I or DINO-I,
depending on the extractor, and ``text_align`` is CLIP-T.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import unknown
from .pairs import PAIRS


@dataclass(frozen=True)
class Profile:
    """Which metrics are computed, from which features, and in which scale.

    ``extractor``: the features of all metrics but those named ``metric@extractor``.
    ``aligner``: embeds pictures and prompts in one space; prompts have the class noun in place of the token.
    ``align_scale``: a factor of ``image_align`` and ``text_align``; ``text_scale``: another factor of ``text_align``.
    ``positive``: negative values of ``text_align`` become 0.
    ``autoencoded``: real pictures pass through the backbone's autoencoder first, since no method can draw better.

    MMD and KID use unnormalised features: on unit-norm ones the cubic kernel of KID is nearly linear.
    """

    name: str
    sentence: str
    extractor: str
    aligner: str | None
    metrics: tuple[str, ...]
    align_scale: float = 1.0
    text_scale: float = 1.0
    positive: bool = False
    autoencoded: bool = False

    @property
    def extractors(self) -> tuple[str, ...]:
        """The names of all extractors that its metrics use, the main one first."""
        others = (m.partition("@")[2] for m in self.metrics if "@" in m)
        return tuple(dict.fromkeys([self.extractor, *others]))

    def with_metrics(self, names: tuple[str, ...]) -> Profile:
        """The same profile with more metrics."""
        return replace(self, metrics=tuple(dict.fromkeys([*self.metrics, *names])))


_DC = ("dc_accuracy", "dc_margin", "dc_accuracy_bare", "dc_margin_bare")
CLASSIFIED = frozenset(_DC)
"""Metrics of real pictures that the model itself classifies: where one is asked for, all are measured."""
_DISTANCES = ("mmd", "kid", "drift_mmd", "drift_kid")
_ALIGN = ("image_align", "text_align")

PROFILES = {
    p.name: p
    for p in (
        Profile(
            "toybox",
            "No downloads: EfficientNet-Lite0 features and toybox-clip; identity against rendered look-alikes.",
            "effnet-lite0",
            "toybox-clip",
            (*_DISTANCES, *_ALIGN, "identity", "diversity", "copying", *PAIRS, "multi_align", *_DC),
            autoencoded=True,
        ),
        Profile(
            "offline",
            "For photographs without downloads: EfficientNet-Lite0 features alone, so that no text is compared.",
            "effnet-lite0",
            None,
            (*_DISTANCES, "image_align", "diversity", "copying"),
        ),
        Profile(
            "custom-diffusion",
            "CLIP ViT-B/32 with text as 2.5 max(cos, 0), and DINO ViT-S/16 (Custom Diffusion, C-LoRA).",
            "clip-b32",
            "clip-b32",
            (*_DISTANCES, *_ALIGN, "image_align@dino-s16", "multi_align", "diversity", "copying"),
            text_scale=2.5,
            positive=True,
        ),
        Profile(
            "dreambooth",
            "Cosines of DINO ViT-S/16 and CLIP ViT-B/32, and diversity by LPIPS (DreamBooth).",
            "dino-s16",
            "clip-b32",
            (*_ALIGN, "image_align@clip-b32", "lpips_diversity"),
        ),
        Profile(
            "dreambench++",
            "100 times the cosines of DINO ViT-S/8 and CLIP ViT-B/32 (DreamBench++).",
            "dino-s8",
            "clip-b32",
            (*_ALIGN, "image_align@clip-b32"),
            align_scale=100.0,
        ),
        Profile(
            "torchmetrics",
            "CLIPScore as in torchmetrics, max(100 cos, 0) of CLIP ViT-L/14; drift as FID; diversity by LPIPS.",
            "clip-l14",
            "clip-l14",
            (*_ALIGN, "drift_fid@inception", "lpips_diversity"),
            align_scale=100.0,
            positive=True,
        ),
    )
}


def load_profile(name: str) -> Profile:
    """A profile by name; raises BadInput with the nearest names for an unknown one."""
    if name not in PROFILES:
        raise unknown("profile", name, PROFILES)
    return PROFILES[name]
