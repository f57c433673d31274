"""Measures the toybox model: its autoencoder, what a recogniser sees in its samples, and its accuracy as a classifier.

The recogniser assigns samples to the nearest prototype in ``effnet-lite0`` features. Since samples come from the
decoder, it is fitted on real pictures that passed through the autoencoder. Its accuracy on held-out ones of these is
reported beside every figure as the ceiling.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binomtest
from torch import Tensor

from ..models.backbone import Backbone
from ..models.extractors import load_extractor
from ..models.loading import embedded_model
from ..protocol import Features, Pictures, Tick, Watch, unwatched
from ..scoring.functional import Whiten, whitening
from ..suite.spec import Sampling
from ..toybox.captions import Scene, random_scene
from ..toybox.parts import Parts
from ..toybox.world import CLASSES, PATTERNS

SAMPLING = Sampling(sampler="dpm++", steps=20, guidance=3.0, batch=32, size=64)
Extract = Callable[[Pictures], Features]
ATTRIBUTES = ("class", "place", "colour")
# First seeds of disjoint sets of scenes; pretraining uses those from 0.
_CODEC, HELD_OUT, _PROTOTYPES, _TUNING = 10_000_000, 20_000_000, 30_000_000, 40_000_000
_SHRINKAGES = (0.01, 0.03, 0.1, 0.3, 0.6, 0.9)
_T_RANGE = (100, 900)  # outside of it the prompt hardly changes the error


@dataclass(frozen=True)
class Counts:
    """The numbers of scenes and timesteps that are measured on."""

    pictures: int = 512
    prototypes: int = 12_000
    classified: int = 256
    timesteps: int = 8


def scenes(first: int, n: int, *, alone: bool = True) -> list[Scene]:
    """The ``n`` scenes of consecutive seeds from ``first``."""
    return [random_scene(first + k, alone=alone) for k in range(n)]


def pictures(of: Sequence[Scene]) -> Pictures:
    """The pictures of scenes, uint8 (n, 64, 64, 3)."""
    return np.stack([s.picture for s in of])


def truth(of: Sequence[Scene]) -> dict[str, NDArray[np.str_]]:
    """The labels of scenes: class, place and main colour, (n,) each."""
    columns = zip(*((s.noun, s.place, s.colour) for s in of), strict=True)
    return {what: np.array(c) for what, c in zip(ATTRIBUTES, columns, strict=True)}


@dataclass(frozen=True)
class Prototypes:
    """Class means (c, d) of labelled features, and the whitening map of their common covariance."""

    names: NDArray[np.str_]
    means: Features
    white: Whiten

    def nearest(self, features: Features, shrinkage: float) -> NDArray[np.str_]:
        """The name of the nearest mean, (n,), of features (n, d), under the covariance with shrinkage in (0, 1]."""
        x, m = self.white(features, shrinkage), self.white(self.means, shrinkage)
        named: NDArray[np.str_] = self.names[(np.square(m).sum(1) - 2 * x @ m.T).argmin(1)]
        return named


def fit_prototypes(features: Features, labels: NDArray[np.str_]) -> Prototypes:
    """Fit prototypes to features (n, d) with labels (n,)."""
    names, which = np.unique(labels, return_inverse=True)
    means = np.stack([features[which == k].mean(axis=0) for k in range(len(names))])
    return Prototypes(names, means, whitening(features - means[which]))


@dataclass(frozen=True)
class Recogniser:
    """Recognises class, place and main colour in features; each attribute has its own prototypes and shrinkage."""

    prototypes: dict[str, Prototypes]
    shrinkage: dict[str, float]

    def right(self, features: Features, of: Sequence[Scene]) -> dict[str, NDArray[np.bool_]]:
        """Whether each attribute of scene k is recognised in row k of features (n, d); (n,) each."""
        named = {what: p.nearest(features, self.shrinkage[what]) for what, p in self.prototypes.items()}
        return {what: named[what] == labels for what, labels in truth(of).items()}


def fit_recogniser(extract: Extract, n: int, watch: Watch = unwatched) -> Recogniser:
    """Fit a recogniser on ``n`` rendered scenes; shrinkages are those with the best accuracy on n / 4 others."""
    fitted, tuned = scenes(_PROTOTYPES, n), scenes(_TUNING, max(1, n // 4))
    features = _extracted(extract, pictures([*fitted, *tuned]), "prototypes", watch)
    found = {what: fit_prototypes(features[:n], labels) for what, labels in truth(fitted).items()}
    chosen = {}
    for what, labels in truth(tuned).items():
        right = [(found[what].nearest(features[n:], s) == labels).mean() for s in _SHRINKAGES]
        chosen[what] = _SHRINKAGES[int(np.argmax(right))]
    return Recogniser(found, chosen)


def _extracted(extract: Extract, of: Pictures, phase: str, watch: Watch) -> Features:
    return np.concatenate([extract(of[chunk]) for chunk in _chunks(phase, len(of), 32, watch)])


def _chunks(phase: str, n: int, size: int, watch: Watch) -> Iterator[slice]:
    for k in range(0, n, size):
        yield slice(k, min(k + size, n))
        watch(Tick(phase, min(k + size, n), n))


def accuracy(name: str, right: NDArray[np.bool_]) -> dict[str, float]:
    """The share of true values (n,), with its 95 % Wilson interval as ``_low`` and ``_high``, and ``_n``."""
    low, high = map(float, binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson"))
    return {name: float(right.mean()), f"{name}_low": low, f"{name}_high": high, f"{name}_n": float(len(right))}


def backbone_of(parts: Parts, sampling: Sampling = SAMPLING) -> Backbone:
    """A backbone with a copy of the parts, since a backbone freezes its modules and wraps the token table."""
    return embedded_model("toybox", copy.deepcopy(parts), sampling, torch.device("cpu"), torch.float32)


def autoencoder_psnr(backbone: Backbone, n: int) -> dict[str, float]:
    """PSNR in dB of the autoencoder on ``n`` held-out scenes: the mean over pictures, and that of the mean error."""
    real = pictures(scenes(_CODEC, n, alone=False))
    back = np.concatenate([backbone.decode(backbone.encode(real[k : k + 64])) for k in range(0, n, 64)])
    error = np.square(real.astype(np.float64) - back).mean(axis=(1, 2, 3))
    mean, of_mean = (10 * np.log10(255**2 / error)).mean(), 10 * np.log10(255**2 / error.mean())
    return {"psnr": float(mean), "psnr_of_mean_error": float(of_mean), "psnr_n": float(n)}


def draw(backbone: Backbone, captions: Sequence[str], seed: int, watch: Watch = unwatched) -> Pictures:
    """One sample per caption, uint8 (n, 64, 64, 3); every picture has its own seed."""
    seeds = range(seed * 1_000_000, seed * 1_000_000 + len(captions))
    chunks = _chunks("samples", len(captions), backbone.sampling.batch, watch)
    return np.concatenate([backbone.sample(captions[chunk], seeds[chunk]) for chunk in chunks])


def recognition(recogniser: Recogniser, drawn: Features, real: Features, of: Sequence[Scene]) -> dict[str, float]:
    """Accuracy on samples (n, d) for the captions of scenes, and as ``_ceiling`` on their real pictures (n, d).

    ``colour_plain`` counts subjects without a pattern only: in a checkered one neither colour is the main one.
    """
    plain = np.array([not any(p in s.caption.split() for p in PATTERNS) for s in of])
    found: dict[str, float] = {}
    for suffix, features in (("", drawn), ("_ceiling", real)):
        right = recogniser.right(features, of)
        for what in ATTRIBUTES:
            found |= accuracy(what + suffix, right[what])
        found |= accuracy("colour_plain" + suffix, right["colour"][plain])
    return found


def spaced(n: int) -> list[int]:
    """The midpoints of ``n`` equal parts of the range of timesteps."""
    low, high = _T_RANGE
    return [round(low + (high - low) * (k + 0.5) / n) for k in range(n)]


@torch.no_grad()
def prompt_errors(backbone: Backbone, z: Tensor, prompts: Sequence[str], ts: Sequence[int], seed: int) -> Tensor:
    """The mean squared noise-prediction error of latents (n, c, h, w) under each prompt, (n, prompts).

    Diffusion Classifier (Li et al., 2023, algorithm 1): all prompts get the same noise at the same timesteps.
    """
    generator = torch.Generator().manual_seed(seed)
    text, total = backbone.embed(prompts), torch.zeros(len(z), len(prompts))
    for step in ts:
        noise, t = torch.randn(z.shape, generator=generator), torch.full((len(z),), step)
        noisy = backbone.add_noise(z, noise, t)
        for p in range(len(prompts)):
            told = backbone.predict(noisy, t, text[[p] * len(z)])
            total[:, p] += (told - noise).square().mean((1, 2, 3))
    return total / len(ts)


def diffusion_accuracy(backbone: Backbone, counts: Counts, seed: int, watch: Watch = unwatched) -> dict[str, float]:
    """The share of held-out scenes for which ``a photo of a <class>`` has the least error for the true class."""
    held_out, ts = scenes(HELD_OUT, counts.classified), spaced(counts.timesteps)
    z, prompts = backbone.encode(pictures(held_out)), [f"a photo of a {noun}" for noun in CLASSES]
    guesses: list[str] = []
    for k, chunk in enumerate(_chunks("classified", len(z), 32, watch)):
        best = prompt_errors(backbone, z[chunk], prompts, ts, seed * 1_000_000 + k).argmin(1)
        guesses += [CLASSES[g] for g in best.tolist()]
    return accuracy("diffusion_class", np.array(guesses) == truth(held_out)["class"])


def measure(parts: Parts, seed: int, watch: Watch = unwatched, counts: Counts | None = None) -> dict[str, float]:
    """All figures by name, deterministic in parts and seed: PSNR in dB, and accuracies in [0, 1] with intervals."""
    counts = counts or Counts()
    backbone, extractor = backbone_of(parts), load_extractor("effnet-lite0", torch.device("cpu"))
    recogniser = fit_recogniser(lambda real: extractor(backbone.reconstruct(real)), counts.prototypes, watch)
    held_out = scenes(HELD_OUT, counts.pictures)
    samples, real = draw(backbone, [s.caption for s in held_out], seed, watch), backbone.reconstruct(pictures(held_out))
    features = [_extracted(extractor, x, "recognised", watch) for x in (samples, real)]
    return (
        autoencoder_psnr(backbone, counts.pictures)
        | recognition(recogniser, features[0], features[1], held_out)
        | diffusion_accuracy(backbone, counts, seed, watch)
    )
