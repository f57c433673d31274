"""The models that fingerprints are computed with, in float64, and their small suites."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import nn

from ..hashing import digest
from ..models.latent import LatentModel
from ..models.loading import load_backbone
from ..plan.planner import Planner
from ..scoring.profiles import PROFILES, Profile
from ..suite.spec import Sampling, Suite
from .exact import Times, exact_schedule
from .quantities import normal

KINDS = ("tiny", "tiny v", "toybox")
"""The kinds of models: random weights that predict ε, the same as v, and the shipped model."""
_CONCEPTS = (("mallow", "cat", 11), ("rumble", "car", 12), ("petal", "bird", 13))
_PROMPTS = {
    "train": "photo of a {}",
    "evaluation": ["photo of a {}", "a photo of a {} at night"],
    "pairs": ["photo of a {} and a {}"],
    "prior": ["photo of a red cup"],
}


def suite_of(kind: str, **changes: dict[str, Any]) -> Suite:
    """The suite for a kind of model: three concepts, three updates each; two of both for all but the first kind."""
    n, large = 3 if kind == KINDS[0] else 2, kind == "toybox"
    training: dict[str, Any] = {"steps": n, "batch": 1 if large else 2, "pictures": 2 if kind == KINDS[0] else 1}
    sampling: dict[str, Any] = {"sampler": "dpm++", "steps": n, "guidance": 2.0, "batch": 4, "size": 64}
    evaluation: dict[str, Any] = {"per_prompt": 1, "references": 2, "distractors": 2, "profile": "toybox"}
    content = {
        "name": "fingerprint",
        "version": 1,
        "title": "Short computations.",
        "licence": "Apache-2.0",
        "backbone": kind.split()[0],
        "concepts": [{"name": n, "noun": noun, "toybox": seed} for n, noun, seed in _CONCEPTS[:n]],
        "prompts": _PROMPTS,
        "training": training | changes.get("training", {}),
        "sampling": sampling | changes.get("sampling", {}),
        "evaluation": evaluation | changes.get("evaluation", {}),
    }
    return Suite.model_validate(content)


def model_of(kind: str, sampling: Sampling) -> LatentModel:
    """A fresh copy of the model of a kind, in float64, on the CPU."""
    return _double(kind).resampled(sampling).copy()


@cache
def _double(kind: str) -> LatentModel:
    loaded = load_backbone(kind.split()[0], suite_of(kind).sampling)
    assert isinstance(loaded, LatentModel)
    (reader,) = loaded.readers
    unet, text, vae = (copy.deepcopy(module).double() for module in (loaded.network, reader.encoder, loaded.vae))
    unet.time_proj = Times(unet.time_proj)
    if kind != "toybox":
        _fill({"unet": unet, "text": text, "vae": vae})
    scheduler = copy.deepcopy(loaded.scheduler)
    if kind.endswith(" v"):
        scheduler = type(scheduler).from_config(scheduler.config, prediction_type="v_prediction")
    exact_schedule(scheduler)
    own = replace(reader, encoder=text)
    return replace(loaded, network=unet, readers=[own], vae=vae, scheduler=scheduler, schedule=scheduler.config)


@torch.no_grad()
def _fill(modules: Mapping[str, nn.Module]) -> None:
    """Give every parameter values of our own: those that libraries draw depend on their versions."""
    for part, module in modules.items():
        for name, parameter in module.named_parameters():
            drawn = torch.from_numpy(normal(parameter.shape, int(digest([part, name]), 16) % 2**31))
            if parameter.ndim > 1:
                drawn /= math.sqrt(parameter[0].numel())
            else:
                drawn = (1.0 if "norm" in name and name.endswith("weight") else 0.0) + 0.1 * drawn
            parameter.copy_(drawn)


def planner_of(suite: Suite, protocol: str = "final", profile: Profile = PROFILES["toybox"], **given: Any) -> Planner:
    """A planner of runs whose keys depend on nothing but what is given here."""
    fixed: dict[str, Any] = {
        "backbone": "tiny",
        "weights": "w",
        "device": "cpu",
        "dtype": "float32",
        "extractors": {"pooled": "p"},
    }
    code = {kind: kind for kind in ("train", "draw", "real", "measure", "classify")}
    return Planner(suite=suite, profile=profile, protocol=protocol, **(fixed | {"code": code} | given))
