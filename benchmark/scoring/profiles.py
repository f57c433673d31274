"""Named ways to score pictures. Published numbers differ by them, so a score never goes without its profile's name.

``image_align`` and ``text_align`` are the field's CLIP-I or DINO-I (by extractor) and CLIP-T.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import unknown


@dataclass(frozen=True)
class Profile:
    """What is measured, through which eyes, and in which scale.

    ``extractor`` gives the features of all metrics but those named ``metric@extractor``. ``aligner`` embeds pictures
    and prompts together; its prompts hold the class noun in the place of the token. ``align_scale`` multiplies
    ``image_align`` and ``text_align``, ``text_scale`` the latter once more; ``positive``: a negative text score is 0.
    ``autoencoded``: real pictures are compared as the backbone's autoencoder gives them back, the best that any
    method on it could draw. Kernels see raw features (unit-norm ones would flatten the cubic kernel of KID).
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
        """All extractors that its metrics see through, the main one first."""
        others = (m.partition("@")[2] for m in self.metrics if "@" in m)
        return tuple(dict.fromkeys([self.extractor, *others]))

    def with_metrics(self, names: tuple[str, ...]) -> Profile:
        """The same with more metrics."""
        return replace(self, metrics=tuple(dict.fromkeys([*self.metrics, *names])))


_DISTANCES = ("mmd", "kid", "drift_mmd", "drift_kid")
_ALIGN = ("image_align", "text_align")

PROFILES = {
    p.name: p
    for p in (
        Profile(
            "toybox",
            "Offline; identity and pairs are judged against the renderer of the toybox world.",
            "effnet-lite0",
            "toybox-clip",
            (*_DISTANCES, *_ALIGN, "identity", "diversity", "copying", "multi_concept", "multi_align", "dc_accuracy"),
            autoencoded=True,
        ),
        Profile(
            "custom-diffusion",
            "CLIP ViT-B/32, text as 2.5 max(cos, 0); DINO ViT-S/16 beside it (Custom Diffusion, C-LoRA).",
            "clip-b32",
            "clip-b32",
            (*_DISTANCES, *_ALIGN, "image_align@dino-s16", "multi_align", "diversity", "copying"),
            text_scale=2.5,
            positive=True,
        ),
        Profile(
            "dreambooth",
            "Raw cosines of DINO ViT-S/16 and CLIP ViT-B/32; diversity by LPIPS (DreamBooth).",
            "dino-s16",
            "clip-b32",
            (*_ALIGN, "image_align@clip-b32", "lpips_diversity"),
        ),
        Profile(
            "dreambench++",
            "Cosines times 100 of DINO ViT-S/8 and CLIP ViT-B/32.",
            "dino-s8",
            "clip-b32",
            (*_ALIGN, "image_align@clip-b32"),
            align_scale=100.0,
        ),
        Profile(
            "torchmetrics",
            "CLIPScore as torchmetrics gives it, max(100 cos, 0) of CLIP ViT-L/14; FID of the prior's drift; LPIPS.",
            "clip-l14",
            "clip-l14",
            (*_ALIGN, "drift_fid@inception", "lpips_diversity"),
            align_scale=100.0,
            positive=True,
        ),
    )
}


def load_profile(name: str) -> Profile:
    """A profile by name; raises BadInput with the nearest one for an unknown name."""
    if name not in PROFILES:
        raise unknown("profile", name, PROFILES)
    return PROFILES[name]
