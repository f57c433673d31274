"""The contract of a backbone (:class:`..models.backbone.Backbone`), checked on a loaded model: what methods rely on.

``cpbench conformance --backbone NAME`` checks it for any model that can be loaded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import BadInput
from ..models.backbone import Backbone, Params
from ..owners import summary
from ..protocol import Pictures, Prompt, Question, Subject
from .lessons import ROUNDING, hash_of

_PROMPTS = ("photo of a cat", "photo of a red car")
_NEAR = 1e-4
"""What may differ between equal computations in batches of other sizes, relative to their size."""


class BackboneChecks:
    """The checks of one model, on pictures of noise of the size of its sampling."""

    def __init__(self, model: Backbone, seed: int = 0) -> None:
        self.model, side = model, model.sampling.size
        self.pictures: Pictures = np.random.default_rng(seed).integers(0, 256, (2, side, side, 3), np.uint8)

    @cached_property
    def z(self) -> Tensor:
        """Latents of both pictures."""
        return self.model.encode(self.pictures)

    @cached_property
    def noise(self) -> Tensor:
        """ε of both."""
        return torch.stack([self.model.initial_noise(seed) for seed in (1, 2)]).to(self.z)

    def _at(self, *steps: int) -> Tensor:
        return torch.tensor(steps, device=self.model.device)

    @cached_property
    def middle(self) -> Tensor:
        """The t of both."""
        return self._at(self.model.steps // 4, self.model.steps // 2)

    @cached_property
    def noisy(self) -> Tensor:
        """Noisy latents of both."""
        return self.model.add_noise(self.z, self.noise, self.middle)

    @cached_property
    def target(self) -> Tensor:
        """What is to be predicted of both."""
        return self.model.target(self.z, self.noise, self.middle)

    @torch.no_grad()
    def _predicted(self, model: Backbone, prompts: Sequence[str] = _PROMPTS, params: Params | None = None) -> Tensor:
        n = len(prompts)
        return model.predict(self.noisy[:n], self.middle[:n], prompts, params)

    # --- checks: each returns what is wrong, or None ----------------------------------------------------------------

    def coded(self) -> str | None:
        """Pictures become latents and pictures again: of the right shapes, and the same each time."""
        again = self.model.decode(self.z)
        if again.dtype != np.uint8 or again.shape != self.pictures.shape:
            return f"of pictures {self.pictures.shape} it makes {again.dtype} {again.shape}"
        if self.z.shape != self.noise.shape:
            return f"latents are {tuple(self.z.shape)}, and noise is {tuple(self.noise.shape)}"
        return None if torch.equal(self.z, self.model.encode(self.pictures)) else "a second time, latents differ"

    def noised(self) -> str | None:
        """Noisy latents are near the latents at t = 0, and near noise at the last t."""
        first, last = (self.model.add_noise(self.z, self.noise, self._at(t, t)) for t in (0, self.model.steps - 1))
        if (first - self.z).norm() > 0.5 * self.noise.norm():
            return "at t = 0 they are far from the latents"
        return "at the last t they are far from noise" if _cosine(last, self.noise) < 0.9 else None

    def aimed(self) -> str | None:
        """It predicts something of the shape of its target, and other things for other prompts and other t."""
        found = self._predicted(self.model)
        if found.shape != self.target.shape:
            return f"it predicts {tuple(found.shape)}, and the target is {tuple(self.target.shape)}"
        if not torch.isfinite(found).all():
            return "it predicts numbers that are not finite"
        other = self._predicted(self.model, _PROMPTS[::-1])
        return "it predicts the same for another prompt" if torch.equal(found, other) else None

    def steady(self) -> str | None:
        """It predicts for a picture what it predicts for it beside another, up to rounding."""
        alone, both = self._predicted(self.model, _PROMPTS[:1]), self._predicted(self.model)[:1]
        off = ((alone - both).norm() / both.norm()).item()
        return f"alone and beside another, predictions differ by {off:.1g} of their size" if off > _NEAR else None

    def weighed(self) -> str | None:
        """Weights by min-SNR are finite and not negative, or are refused with a sentence."""
        try:
            weights = self.model.min_snr(self.middle, 5.0)
        except BadInput:
            return None
        good = weights.shape == self.middle.shape and bool((weights >= 0).all() and torch.isfinite(weights).all())
        return None if good else f"for two t they are {weights.tolist()}"

    def layered(self) -> str | None:
        """It names linear layers that make keys and values of the text; they are among all layers of attention."""
        linear = {name for name, m in self.model.network.named_modules() if isinstance(m, nn.Linear)}
        kv, attention = (
            {name for name in linear if re.fullmatch(self.model.layers[role], name)} for role in ("kv", "attention")
        )
        if not kv:
            return "no linear layer has the role kv"
        return None if kv <= attention else f"{min(kv - attention)} has the role kv, and not the role attention"

    def apart(self) -> str | None:
        """A copy can be changed, and one that shares its tensors can get layers, without any change to the model."""
        before, shared, own = hash_of(self.model), self.model.shared(), self.model.copy()
        with torch.no_grad():
            for p in own.network.parameters():
                p.zero_()
        name = next(n for n, _ in shared.network.named_modules() if re.fullmatch(self.model.layers["kv"], n))
        place, _, last = name.rpartition(".")
        setattr(shared.network.get_submodule(place), last, nn.Identity())
        kept = {id(p) for p in self.model.network.parameters()}
        if not all(id(p) in kept for p in shared.network.parameters()):
            return "a copy that shares has tensors of its own"
        return None if hash_of(self.model) == before else "the model changes with its copy"

    def overridden(self) -> str | None:
        """Weights that replace its own count for one call, and only for that."""
        model = self.model.shared()
        found = self._predicted(model)
        name = next(n for n, p in model.network.named_parameters() if p.ndim > 1)
        full = f"{model.prefix}.{name}"
        zeroed = {full: torch.zeros_like(model.network.get_parameter(name))}
        if torch.equal(self._predicted(model, params=zeroed), found):
            return f"{full} is replaced, and nothing changes"
        return None if torch.equal(self._predicted(model), found) else "what was replaced stays replaced"

    def taught(self) -> str | None:
        """A new token has an embedding for each text encoder, which learns by gradients, and cannot be added twice."""
        model = self.model.shared()
        rows = model.add_token("<conformance>", model.word_rows("cat"))
        if len(rows) != len(model.readers):
            return f"it has {len(rows)} embeddings for {len(model.readers)} text encoders"
        if "<conformance>" in self.model.tokens:
            return "the model itself gets the token of its copy"
        error = model.predict(self.noisy, self.middle, ["photo of a <conformance>"] * 2) - self.target
        gradients = torch.autograd.grad(error.square().mean(), rows, allow_unused=True)
        if any(g is None or not g.norm() > 0 for g in gradients):
            return "no gradient reaches its embedding"
        return "the same token can be added twice" if _adds(model) else None

    def bounded(self) -> str | None:
        """A prompt that is too long is refused with a sentence, not cut."""
        try:
            self.model.check_prompts(["cat " * 2_000])
        except BadInput:
            return None
        return "a prompt of 2,000 words is accepted"

    def drawn(self) -> str | None:
        """It draws pictures of the right size: the same for the same seed, others for other seeds and prompts."""
        first = self.model.sample([_PROMPTS[0]] * 2 + [_PROMPTS[1]], [1, 2, 1])
        side = self.model.sampling.size
        if first.dtype != np.uint8 or first.shape != (3, side, side, 3):
            return f"for three prompts it draws {first.dtype} {first.shape}"
        if not np.array_equal(first, self.model.sample([_PROMPTS[0]] * 2 + [_PROMPTS[1]], [1, 2, 1])):
            return "a second time, it draws other pictures"
        if np.abs(first[0].astype(int) - self.model.sample(_PROMPTS[:1], [1])[0]).max() > ROUNDING:
            return "alone and among others, it draws other pictures"
        alike = [k for k in (1, 2) if np.array_equal(first[0], first[k])]
        return f"with another {('seed', 'prompt')[alike[0] - 1]} it draws the same picture" if alike else None

    def explained(self) -> str | None:
        """Its error on a picture is the mean square of what it predicts minus its target."""
        prompt, t = Prompt("photo of a {}", (Subject("", "cat"),)), int(self.middle[0])
        (found,) = self.model.explain(self.pictures[:1], [Question(0, prompt, t, 1)])
        right = (self._predicted(self.model, _PROMPTS[:1]) - self.target[:1]).square().mean().item()
        return None if abs(found - right) <= _NEAR * right else f"it is {found:.6g}, and should be {right:.6g}"


def _adds(model: Backbone) -> bool:
    """Whether a token that is there can be added again."""
    try:
        model.add_token("<conformance>", model.word_rows("cat"))
    except BadInput:
        return False
    return True


def _cosine(a: Tensor, b: Tensor) -> float:
    return torch.nn.functional.cosine_similarity(a.flatten(), b.flatten(), dim=0).item()


def examined(checks: BackboneChecks) -> Iterator[tuple[str, str | None]]:
    """Each clause, and what breaks it (None: nothing)."""
    for check in CHECKS:
        try:
            fault = check(checks)
        except Exception as error:  # a model may break in any way, and the other checks still run
            fault = summary(error)
        yield str(check.__doc__).strip(), fault


CHECKS: tuple[Callable[[BackboneChecks], str | None], ...] = (
    BackboneChecks.coded,
    BackboneChecks.noised,
    BackboneChecks.aimed,
    BackboneChecks.steady,
    BackboneChecks.weighed,
    BackboneChecks.layered,
    BackboneChecks.apart,
    BackboneChecks.overridden,
    BackboneChecks.taught,
    BackboneChecks.bounded,
    BackboneChecks.drawn,
    BackboneChecks.explained,
)
