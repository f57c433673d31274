"""The scorer of a suite: its extractors and aligner, with a cache of features on disk."""

from __future__ import annotations

from pathlib import Path

import torch

from ..hashing import digest
from ..models.aligners import load_aligner, reads
from ..models.backbone import Backbone
from ..models.extractors import Extractor, load_extractor
from ..models.feature_cache import FeatureCache
from ..models.weights import hash_weights
from ..scoring.profiles import Profile
from ..scoring.scorer import FeaturePair, Scorer
from ..suite.spec import Suite


def open_scorer(
    suite: Suite, profile: Profile, model: Backbone, folder: Path, code: str
) -> tuple[Scorer, dict[str, str]]:
    """Load the extractors and the aligner of a profile; returns the scorer, and hashes of what was loaded by name.

    ``folder`` is that of the cached features, ``code`` a digest of the code that computes them.
    """
    features, keys = {}, {}
    for name in profile.extractors:
        extractor = load_extractor(name, model.device)
        features[name], keys[name] = features_of(extractor, model, folder, profile, code), extractor.key
    aligner = None
    if profile.aligner is not None:
        loaded, keys[profile.aligner] = load_aligner(profile.aligner, model.device)
        aligner = (reads(profile.aligner), loaded)
    return Scorer(suite, profile, features, aligner), keys


def features_of(extractor: Extractor, model: Backbone, folder: Path, profile: Profile, code: str) -> FeaturePair:
    """The features of drawn pictures and of real ones, which pass through the autoencoder if the profile says so."""
    seeing = [extractor.key, model.device.type, torch.get_num_threads(), code]
    drawn = FeatureCache(folder, extractor, digest(seeing))
    if not profile.autoencoded:
        return FeaturePair(drawn, drawn)
    key = digest([*seeing, hash_weights({"codec": model.vae}), "autoencoded"])
    return FeaturePair(drawn, FeatureCache(folder, lambda pictures: extractor(model.reconstruct(pictures)), key))
