"""Metrics by name: the built-in ones, and those of other packages (entry-point group ``cpbench.metrics``).

To add a metric, publish a :class:`Metric` in that group; it reads what it needs from a :class:`Cell`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput, unknown
from ..owners import calling, raised_at, summary
from ..protocol import Features
from . import functional
from .cell import Cell as Cell
from .profiles import Profile
from .returned import measured, metric_owner, wrong_metric

GROUP = "cpbench.metrics"


@dataclass(frozen=True)
class Metric:
    """A metric: its name, direction and description, and ``of``, which computes it.

    ``of(cell, profile)`` returns one value per picture, (n,), one value for the whole cell, or None if the metric does
    not apply to the cell. It is not asked for cells of fewer than ``least`` drawn pictures, which have no value.
    """

    name: str
    higher_is_better: bool
    of: Callable[[Cell, Profile], Features | float | None]
    sentence: str
    least: int = 1

    def value(self, cell: Cell, profile: Profile) -> Features | float | None:
        """What ``of`` returns; None for a cell of too few pictures."""
        return None if len(cell.drawn) < self.least else self.of(cell, profile)


def _distance(f: Callable[[Any, Any], float]) -> Callable[[Cell, Profile], float | None]:
    def of(cell: Cell, profile: Profile) -> float | None:
        return f(cell.drawn, cell.real) if cell.kind == "concept" and cell.real is not None and not cell.same else None

    return of


def _drift(f: Callable[[Any, Any], float]) -> Callable[[Cell, Profile], float | None]:
    return lambda cell, profile: None if cell.before is None else f(cell.drawn, cell.before)


def _image_align(cell: Cell, profile: Profile) -> Features | None:
    if cell.kind != "concept" or cell.real is None or (cell.same and len(cell.real) < 2):
        return None
    return profile.align_scale * functional.image_align(cell.drawn, cell.real, same=cell.same)


def _text_align(cell: Cell, profile: Profile) -> Features | None:
    if cell.kind != "concept" or cell.embedded is None or cell.texts is None:
        return None
    cosines = profile.align_scale * profile.text_scale * functional.text_align(cell.embedded, cell.texts)
    return np.maximum(cosines, 0.0) if profile.positive else cosines


def _identity(cell: Cell, profile: Profile) -> Features | None:
    if cell.kind != "concept" or cell.real is None or not cell.rivals:
        return None
    return functional.identity(cell.drawn, [cell.real, *cell.rivals])


def _outcome(kind: str) -> Callable[[Cell, Profile], Features | None]:
    """Whether pictures of a pair show this kind of outcome: 1 or 0. All kinds come from one decision."""

    def of(cell: Cell, profile: Profile) -> Features | None:
        if not cell.outcomes.get("other"):
            return None
        return np.asarray(cell.shown == kind, dtype=np.float64)

    return of


def _nouns(cell: Cell, profile: Profile) -> Features | None:
    if not cell.nouns:
        return None
    return np.asarray(functional.outcomes(cell.drawn, cell.nouns) == "both", dtype=np.float64)


def _multi_align(cell: Cell, profile: Profile) -> Features | None:
    if cell.kind != "pair":
        return None
    return profile.align_scale * np.minimum(*(functional.image_align(cell.drawn, one) for one in cell.each))


def _diversity(cell: Cell, profile: Profile) -> Features | None:
    if cell.kind != "concept":
        return None
    groups = np.zeros(len(cell.drawn)) if cell.prompts is None else cell.prompts
    return None if _any_alone(groups) else functional.diversity(cell.drawn, groups)


def _any_alone(groups: NDArray[Any]) -> bool:
    """Whether any group has one picture only, which has no distance to others."""
    return bool((np.unique(groups, return_counts=True)[1] < 2).any())


def _copying(cell: Cell, profile: Profile) -> Features | None:
    if cell.kind != "concept" or cell.training is None or cell.real is None or cell.same:
        return None
    return functional.copying(cell.drawn, cell.training, cell.real)


def _lpips_diversity(cell: Cell, profile: Profile) -> Features | None:
    from .lpips import lpips_diversity

    groups = np.zeros(len(cell.pictures)) if cell.prompts is None else cell.prompts
    return lpips_diversity(cell.pictures, groups) if cell.kind == "concept" and not _any_alone(groups) else None


def _of_the_model(cell: Cell, profile: Profile) -> None:
    """Measured on a model, not on its pictures (:mod:`.classifier`)."""


_MMD = "squared MMD between generated and real pictures (unbiased, quadratic kernel)"
_DRIFT = "squared MMD to pictures of equal prompts and noises right after learning (prior: of the base model)"
_HELD_OUT = "held-out real pictures that the model classifies correctly"
_MARGIN = "mean log-odds that the model gives the true concept of held-out real pictures (2 or more concepts)"

METRICS = {
    m.name: m
    for m in (
        Metric("mmd", False, _distance(functional.mmd), _MMD, 2),
        Metric("kid", False, _distance(functional.kid), "as mmd, with the cubic kernel of KID", 2),
        Metric("drift_mmd", False, _drift(functional.drift_mmd), _DRIFT, 2),
        Metric("drift_kid", False, _drift(functional.drift_kid), "as drift_mmd, with the cubic kernel of KID", 2),
        Metric(
            "drift_fid", False, _drift(functional.frechet), "as drift_mmd, by Fréchet distance (FID on Inception)", 2
        ),
        Metric("image_align", True, _image_align, "cosine to the real pictures (CLIP-I or DINO-I, by extractor)"),
        Metric("text_align", True, _text_align, "cosine to the prompt, with the class noun for the token (CLIP-T)"),
        Metric("identity", True, _identity, "share of pictures nearer to the concept than to look-alikes"),
        Metric("diversity", True, _diversity, "1 - cosine between pictures of the same prompt", 2),
        Metric("lpips_diversity", True, _lpips_diversity, "LPIPS distance between pictures of the same prompt", 2),
        Metric("copying", False, _copying, "share of pictures nearer to a training picture than 95 % of real ones"),
        Metric("multi_concept", True, _outcome("right"), "for pairs: share of pictures that show both concepts"),
        Metric("multi_twice", False, _outcome("twice"), "for pairs: share that show one of the concepts twice"),
        Metric("multi_swapped", False, _outcome("swapped"), "for pairs: share in which colours or marks are exchanged"),
        Metric("multi_missing", False, _outcome("missing"), "for pairs: share that show one of the concepts only"),
        Metric("multi_nouns", True, _nouns, "for pairs: share that show the two class nouns, whatever individuals"),
        Metric("multi_align", True, _multi_align, "for pairs: the lower of the cosines to the two concepts"),
        Metric("dc_accuracy", True, _of_the_model, f"share of {_HELD_OUT}"),
        Metric("dc_margin", True, _of_the_model, _MARGIN),
        Metric("dc_accuracy_bare", True, _of_the_model, "as dc_accuracy, with prompts that have the token alone"),
        Metric("dc_margin_bare", True, _of_the_model, "as dc_margin, with prompts that have the token alone"),
    )
}
"""The built-in metrics by name."""


def published(name: str) -> list[EntryPoint]:
    """The entry points of a metric of other packages; none for a built-in one. A suffix ``@extractor`` is ignored."""
    plain = name.partition("@")[0]
    return [] if plain in METRICS else [p for p in entry_points(group=GROUP) if p.name == plain]


def load_metric(name: str) -> Metric:
    """A metric by name; a suffix ``@extractor`` is ignored.

    Raises BadInput if the name is unknown, published twice, or cannot be loaded.
    """
    plain = name.partition("@")[0]
    if plain in METRICS:
        return METRICS[plain]
    points = published(plain)
    if not points:
        raise unknown("metric", plain, [*METRICS, *(p.name for p in entry_points(group=GROUP))])
    if len(points) > 1:
        owners = f"{points[0].value} and by {points[1].value}"
        raise BadInput(f"metric '{plain}' is published twice: by {owners}; uninstall one of the packages.")
    try:
        loaded = points[0].load()
    except (Exception, SystemExit) as error:  # importing another package's module may raise anything
        where = f"{summary(error)}, raised at {raised_at(error, metric_owner(plain, points[0]))}"
        raise BadInput(f"metric '{plain}' of {points[0].value} cannot be loaded: {where}; repair it.") from error
    if not isinstance(loaded, Metric):
        must = "it must be a cpbench.benchmark.scoring.metrics.Metric"
        raise BadInput(f"metric '{plain}' of {points[0].value} is a {type(loaded).__name__}; {must}.")
    if fault := wrong_metric(loaded, plain):
        raise BadInput(f"{metric_owner(plain, points[0])} {fault}.")
    return loaded


def rows(name: str, cell: Cell, profile: Profile) -> Iterator[dict[str, Any]]:
    """The rows (metric, prompt, value, n, se) of one metric for one cell.

    There is one row per prompt for a metric with a value per picture, else one row. Yields nothing if the metric does
    not apply; raises Faulty for a metric that fails, or returns anything but finite numbers.
    """
    metric, owner = load_metric(name), metric_owner(name, next(iter(published(name)), None))
    value = measured(owner, metric, cell, profile)
    if value is None:
        return
    common = {"metric": name, "higher_is_better": metric.higher_is_better}
    if value.ndim == 0:
        with calling(owner, ""):
            se = _jackknife(metric, cell, profile)
        yield {**common, "prompt": None, "value": float(value), "n": len(cell.drawn), "se": se}
    elif cell.prompts is None:
        yield {**common, "prompt": None, "value": float(value.mean()), "n": len(value), "se": None}
    else:
        for prompt in np.unique(cell.prompts).tolist():
            own = value[cell.prompts == prompt]
            yield {**common, "prompt": prompt, "value": float(own.mean()), "n": len(own), "se": None}


def _jackknife(metric: Metric, cell: Cell, profile: Profile) -> float | None:
    """The jackknife standard error over prompts, of a metric with one value per cell.

    A bootstrap would repeat pictures, which biases the unbiased estimators of MMD.
    """
    prompts = [] if cell.prompts is None else np.unique(cell.prompts).tolist()
    if len(prompts) < 2:
        return None
    found = [metric.value(cell.without(p), profile) for p in prompts]
    if any(one is None for one in found):  # too little is left for a value
        return None
    left = np.array(found, dtype=np.float64)
    return float(np.sqrt((len(left) - 1) * left.var()))
