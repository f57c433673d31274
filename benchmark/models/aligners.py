"""Aligners: they embed pictures and texts in one space, so that a picture can be compared with its prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch

from ..errors import BadInput, unknown
from ..hashing import digest, sha256
from ..protocol import Features
from .extractors import CLIPS, load_clip


@dataclass(frozen=True)
class ClipText:
    """The text encoder of a CLIP; its picture embeddings are the features of the extractor of the same name."""

    network: Any
    tokenize: Any
    device: torch.device

    def image(self, features: Features) -> Features:
        """The features (n, e) themselves: they are embeddings already."""
        return features

    @torch.no_grad()
    def text(self, texts: list[str]) -> Features:
        """Embeddings (n, e) of texts; raises BadInput for a text that open_clip would truncate silently."""
        room = self.tokenize.context_length - 2  # start and end
        for text in texts:
            if len(self.tokenize.encode(text)) > room:
                raise BadInput(f"the text '{text}' is longer than {room} tokens, the limit of CLIP; shorten it.")
        embedded: Features = self.network.encode_text(self.tokenize(texts).to(self.device)).cpu().double().numpy()
        return embedded


def reads(aligner: str) -> str:
    """The name of the extractor whose features an aligner takes."""
    return "effnet-lite0" if aligner == "toybox-clip" else aligner


def load_aligner(name: str, device: torch.device) -> tuple[Aligner, str]:
    """Load an aligner by name; returns it and its key, a hash of the weights.

    Raises BadInput for an unknown name, or with a command to run if the weights are missing.
    """
    if name == "toybox-clip":
        from ..toybox.clip import read_clip

        clip = read_clip()
        return clip, clip.key
    if name not in CLIPS:
        raise unknown("aligner", name, ["toybox-clip", *CLIPS])
    import open_clip

    network, file = load_clip(f"aligner '{name}'", *CLIPS[name])
    text = ClipText(network.to(device), open_clip.get_tokenizer(CLIPS[name][0]), device)
    return text, digest([sha256(file), "text"])


class Aligner(Protocol):
    """Embeds pictures, given by their features, and texts in one space."""

    def image(self, features: Features) -> Features:
        """Embeddings (n, e) of features (n, d)."""
        ...

    def text(self, texts: list[str]) -> Features:
        """Embeddings (n, e) of texts."""
        ...
