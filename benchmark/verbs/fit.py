"""Whether methods fit a graphics card, and how long they take: imagined passes of a model, and measured units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...methods.catalogue import CATALOGUE
from ...methods.configure import configure
from ...methods.footprint import passes
from ..models.autoencoder import at_once
from ..models.footprint import Footprint, footprint
from ..models.loading import imagined
from ..plan.choices import Choice
from ..plan.costs import costs
from ..plan.planner import Planner
from ..plan.units import kind_of
from ..scoring.profiles import load_profile
from ..storage.store import Store, home
from ..suite.spec import Suite
from .arguments import Names, joined, suite_of
from .choosing import chosen_for

CARDS = (8, 12, 24, 80)
"""Memory of graphics cards, in GiB."""
_OWN = 0.8
"""What the driver and the libraries take of it, in GiB."""
WAYS = ("plain", "--checkpointing", "--checkpointing --micro-batch 1")
"""How a method may be run, from the fastest to the one that takes the least memory."""
_KINDS = ("train", "draw", "real", "measure", "classify")


@dataclass(frozen=True)
class Fit:
    """A method on a suite: bytes by phase for each of :data:`WAYS`, and seconds on this machine, if they are known."""

    method: str
    phases: Mapping[str, tuple[int, int, int]]
    seconds: float | None

    def peak(self, way: int) -> int:
        """The most bytes that it takes in one of :data:`WAYS`."""
        return max(each[way] for each in self.phases.values())

    def way(self, card: int) -> str | None:
        """The first of :data:`WAYS` in which it fits a card of so many GiB; None where it does in none."""
        return next((name for k, name in enumerate(WAYS) if self.peak(k) <= (card - _OWN) * 2**30), None)


def fit(
    backbone: str | None = None,
    suite: str | Path | Suite = "toybox-6",
    methods: Names = ("lora", "ewc-dc", "dsc"),
    *,
    dtype: str = "float32",
) -> list[Fit]:
    """What methods take on a suite and a backbone, by default the suite's own, if its pictures are drawn on a GPU.

    Memory is counted on tensors without content: nothing is computed, and no weights are read. Times are known where
    the store has units of this suite and backbone. Raises BadInput for unknown names.
    """
    spec = suite_of(suite)
    name = backbone or spec.backbone
    chosen = [method for method in chosen_for(joined(methods), {}, name, None, lambda _: None) if method.make]
    model, mode = imagined(name, spec.sampling, dtype, home())
    model.check_size()
    found = footprint(model, mode)
    return [Fit(m.name, _phases(found, spec, m), _seconds(spec, name, model.weights, dtype, m)) for m in chosen]


def _phases(found: Footprint, suite: Suite, method: Choice) -> dict[str, tuple[int, int, int]]:
    concepts, training, sampling = len(suite.concepts), suite.training, suite.sampling
    own = found.weights + _trained(found, method.options, concepts)
    made = {
        p.name: (found.keeping(p.pictures * p.each), found.again(p.pictures * p.each), found.again(p.least))
        for p in passes(options_of(method), training.batch, concepts, prior=training.prior is not None)
    }
    together = at_once(sampling.size**2)
    drawn = max(found.drawing(2 * sampling.batch), min(together, sampling.batch) * found.decoding)
    made |= {"encode": (min(together, training.pictures) * found.encoding,) * 3, "draw": (drawn,) * 3}
    return {name: (own + plain, own + again, own + least) for name, (plain, again, least) in made.items()}


def options_of(method: Choice) -> dict[str, Any]:
    """The options of a method as objects, by section; none of a method of another package."""
    settings = {f"{section}.{k}": str(v) for section, own in method.options.items() for k, v in own.items()}
    return configure(method.name, settings) if method.name in CATALOGUE else {}


def _trained(found: Footprint, options: Mapping[str, Any], concepts: int) -> int:
    """Bytes of what is trained: with gradients and both moments of AdamW, and what consolidations keep beside it."""
    rank = options.get("lora", {}).get("rank")
    entries = rank * found.sides if rank else 0 if "vera" in options else found.kv
    kept = 2 * ("ewc" in options) + concepts * any(part in options for part in ("dsc", "independent", "merge"))
    return 4 * entries * (4 + kept)


def _seconds(suite: Suite, backbone: str, weights: str, dtype: str, method: Choice) -> float | None:
    """The seconds of a run, from units of the same suite and weights; None where kinds of them are missing."""
    if not weights:
        return None
    store = Store(home() / "units", lambda _: None)
    known = costs(store, store.keys(), {"suite": suite.name, "weights": weights})
    code = dict.fromkeys(_KINDS, "")
    planner = Planner(suite, load_profile(suite.evaluation.profile), backbone, weights, "", dtype, {}, code=code)
    plan = planner.run(method, tuple(range(len(suite.concepts))), 0)
    kinds = Counter(kind_of(unit) for unit in plan.units() if kind_of(unit)[0] != "Real")
    there = all(kind in known.seconds or (kind[0] != "Train" and (kind[0], "") in known.seconds) for kind in kinds)
    return known.time(kinds) if there else None


def phase_names(fits: Sequence[Fit]) -> list[str]:
    """The phases of some methods, in order."""
    return list(dict.fromkeys(name for one in fits for name in one.phases))
