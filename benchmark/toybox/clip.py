"""``toybox-clip``: embeds pictures and captions of the toybox world in one space, for text alignment without downloads.

It is a small CLIP text encoder and a linear map of frozen ``effnet-lite0`` features, trained together with the
symmetric contrastive loss of Radford et al. (2021, fig. 3).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from ..errors import BadInput, Damaged
from ..plain_json import json_text
from ..protocol import Features
from .parts import MAX_TOKENS, build_tokenizer
from .shipped import clip_key
from .weights import read_module, weights_folder, write_module

FEATURES = 1280
WIDTH = 128
MAX_LOGIT_SCALE = 4.6052  # log 100, as in CLIP


class ToyboxClip(nn.Module):
    """Embeds ``effnet-lite0`` features (n, 1280) and texts as vectors (n, 128), which are compared by cosine.

    ``key`` is a hash of the weights; it is empty until they are read from a file.
    """

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.tokenizer = build_tokenizer()
        self.key = ""
        self.tower = CLIPTextModelWithProjection(
            CLIPTextConfig(
                vocab_size=len(self.tokenizer),
                hidden_size=96,
                intermediate_size=384,
                projection_dim=WIDTH,
                num_hidden_layers=2,
                num_attention_heads=4,
                max_position_embeddings=MAX_TOKENS,
                bos_token_id=0,
                eos_token_id=1,
                pad_token_id=1,
            )
        )
        self.project = nn.Linear(FEATURES, WIDTH)
        self.logit_scale = nn.Parameter(torch.tensor(2.6593))  # log(1 / 0.07), as in CLIP
        self.register_buffer("mean", torch.zeros(FEATURES))

    def centred(self, features: Features) -> Tensor:
        """Features (n, 1280) minus the mean over the training scenes, float32; raises BadInput for other widths."""
        if features.ndim != 2 or features.shape[1] != FEATURES:
            raise BadInput(
                f"toybox-clip needs effnet-lite0 features (n, {FEATURES}), got {features.shape}; "
                "choose a profile with the extractor effnet-lite0."
            )
        return torch.from_numpy(features).float() - self.mean

    def tokens(self, texts: Sequence[str]) -> Tensor:
        """Token ids (n, length), padded to the longest text; raises BadInput for more than 32 tokens."""
        ids: Tensor = self.tokenizer(list(texts), padding=True, return_tensors="pt").input_ids
        if ids.shape[1] > MAX_TOKENS:
            longest = max(texts, key=lambda text: len(self.tokenizer(text).input_ids))
            raise BadInput(
                f"the text '{longest}' is longer than {MAX_TOKENS} tokens, the limit of toybox-clip; shorten it."
            )
        return ids

    @torch.no_grad()
    def image(self, features: Features) -> Features:
        """Embeddings (n, 128) of features (n, 1280), not normalised."""
        embedded: Features = self.project(self.centred(features)).double().numpy()
        return embedded

    @torch.no_grad()
    def text(self, texts: list[str]) -> Features:
        """Embeddings (n, 128) of texts, not normalised; raises BadInput for more than 32 tokens."""
        chunks = [self.tower(self.tokens(texts[k : k + 256])).text_embeds for k in range(0, len(texts), 256)]
        embedded: Features = torch.cat(chunks).double().numpy()
        return embedded


def build_clip(seed: int) -> ToyboxClip:
    """A ToyboxClip with random weights drawn from ``seed``; the global random state does not change."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ToyboxClip().eval()


def write_clip(clip: ToyboxClip, folder: Path, recipe: dict[str, Any], accuracy: dict[str, float]) -> None:
    """Write ``clip.safetensors`` in float16, and ``clip.json`` with its SHA-256, recipe and held-out accuracy."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {"sha256": write_module(clip, folder / "clip.safetensors"), "recipe": recipe, "accuracy": accuracy}
    (folder / "clip.json").write_text(json_text(about, indent=1) + "\n")


def read_about(folder: Path | None = None) -> dict[str, Any]:
    """The content of ``clip.json``: SHA-256, recipe and accuracy; raises Damaged if it is missing."""
    file = (folder or weights_folder()) / "clip.json"
    if not file.is_file():
        raise Damaged(f"{file} is missing; reinstall cpbench.")
    about: dict[str, Any] = json.loads(file.read_text())
    return about


def read_clip(folder: Path | None = None) -> ToyboxClip:
    """The trained ToyboxClip, in float32; raises Damaged if its file does not match ``clip.json``."""
    sha256 = read_about(folder)["sha256"]
    clip = build_clip(0)
    read_module(clip, (folder or weights_folder()) / "clip.safetensors", sha256)
    clip.key = clip_key(sha256)
    return clip.requires_grad_(False)
