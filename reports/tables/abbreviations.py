"""Abbreviations of methods and metrics, written out."""

from __future__ import annotations

from .term import terms

ABBREVIATIONS = terms(
    ("abbr-ti", "TI", "Textual Inversion."),
    ("abbr-lora", "LoRA", "Low-rank adaptation."),
    ("abbr-clora", "C-LoRA", "Continual LoRA."),
    ("abbr-olora", "O-LoRA", "Orthogonal LoRA."),
    ("abbr-vera", "VeRA", "Vector-based random matrix adaptation."),
    ("abbr-ewc", "EWC", "Elastic weight consolidation."),
    ("abbr-dc", "DC", "Diffusion classifier: class scores computed from the errors of the denoising network."),
    ("abbr-dsc", "DSC", "Diffusion scores consolidation."),
    ("abbr-dop", "DOP", "Differential output preservation."),
    ("abbr-lwf", "LwF", "Learning without forgetting."),
    (
        "abbr-clip",
        "CLIP-I, CLIP-T",
        "Cosine similarity of CLIP features: of two pictures (I), or a picture and a text (T).",
    ),
    ("abbr-dino", "DINO-I", "Cosine similarity of DINO features of two pictures."),
    ("abbr-fid", "FID", "Fréchet inception distance."),
    ("abbr-lpips", "LPIPS", "Learned perceptual image patch similarity."),
)
