"""What a metric sees, and the metrics by name: the built-in ones, and those of other packages (cpbench.metrics)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput, FailedRun, unknown
from ..protocol import Features, Pictures
from . import functional as metrics
from .profiles import Profile

GROUP = "cpbench.metrics"
_ROWS = ("pictures", "prompts", "drawn", "before", "embedded", "texts")  # of a cell, one a picture
CellKind = Literal["concept", "pair", "prior"]


@dataclass(frozen=True)
class Cell:
    """Pictures and what they are compared with; features are (n, d), one row a picture, of one extractor.

    ``kind``: pictures of one concept, of a pair of them, or of things never personalised (the prior). ``prompts`` is
    the index of the prompt of each picture, (n,); None for real pictures. ``real`` are real pictures of the same
    subjects and ``rivals`` those of look-alikes, one array each; ``each`` has the real pictures of each subject alone;
    ``training`` those that were learned from. ``before`` are pictures for the same prompts by an earlier model.
    ``embedded`` and ``texts``, (n, e), put pictures and prompts into one space. ``same``: the pictures are ``real``
    themselves. Whatever is not there is None or empty.
    """

    kind: CellKind
    pictures: Pictures
    prompts: NDArray[np.int64] | None
    drawn: Features
    real: Features | None = None
    rivals: tuple[Features, ...] = ()
    each: tuple[Features, ...] = ()
    training: Features | None = None
    before: Features | None = None
    embedded: Features | None = None
    texts: Features | None = None
    same: bool = False

    def without(self, prompt: int) -> Cell:
        """The cell without the pictures of one prompt."""
        assert self.prompts is not None
        kept = self.prompts != prompt
        rows: dict[str, Any] = {name: v[kept] for name in _ROWS if (v := getattr(self, name)) is not None}
        return replace(self, **rows)


@dataclass(frozen=True)
class Metric:
    """A named metric: ``of`` gives one value a picture (n,), one of the whole cell, or None where it does not apply."""

    name: str
    higher_is_better: bool
    of: Callable[[Cell, Profile], Features | float | None]
    sentence: str


def _distance(f: Callable[[Any, Any], float]) -> Callable[[Cell, Profile], float | None]:
    def of(cell: Cell, profile: Profile) -> float | None:
        return f(cell.drawn, cell.real) if cell.kind == "concept" and not cell.same else None

    return of


def _drift(f: Callable[[Any, Any], float]) -> Callable[[Cell, Profile], float | None]:
    return lambda cell, profile: None if cell.before is None else f(cell.drawn, cell.before)


def _image_align(cell: Cell, profile: Profile) -> Features | None:
    if cell.kind != "concept" or cell.real is None:
        return None
    return profile.align_scale * metrics.image_align(cell.drawn, cell.real, same=cell.same)


def _text_align(cell: Cell, profile: Profile) -> Features | None:
    if cell.kind != "concept" or cell.embedded is None or cell.texts is None:
        return None
    cosines = profile.align_scale * profile.text_scale * metrics.text_align(cell.embedded, cell.texts)
    return np.maximum(cosines, 0.0) if profile.positive else cosines


def _nearest_of(kind: CellKind) -> Callable[[Cell, Profile], Features | None]:
    def of(cell: Cell, profile: Profile) -> Features | None:
        if cell.kind != kind or cell.real is None or not cell.rivals:
            return None
        return metrics.identity(cell.drawn, [cell.real, *cell.rivals])

    return of


def _multi_align(cell: Cell, profile: Profile) -> Features | None:
    if cell.kind != "pair":
        return None
    return profile.align_scale * np.minimum(*(metrics.image_align(cell.drawn, one) for one in cell.each))


def _diversity(cell: Cell, profile: Profile) -> Features | None:
    if cell.kind != "concept":
        return None
    groups = np.zeros(len(cell.drawn)) if cell.prompts is None else cell.prompts
    return None if _any_alone(groups) else metrics.diversity(cell.drawn, groups)


def _any_alone(groups: NDArray[Any]) -> bool:
    """Whether a picture is the only one of its prompt, so that there is nothing to tell it from."""
    return bool((np.unique(groups, return_counts=True)[1] < 2).any())


def _copying(cell: Cell, profile: Profile) -> Features | None:
    if cell.kind != "concept" or cell.training is None or cell.real is None or cell.same:
        return None
    return metrics.copying(cell.drawn, cell.training, cell.real)


def _lpips_diversity(cell: Cell, profile: Profile) -> Features | None:
    from .lpips import lpips_diversity

    groups = np.zeros(len(cell.pictures)) if cell.prompts is None else cell.prompts
    return lpips_diversity(cell.pictures, groups) if cell.kind == "concept" and not _any_alone(groups) else None


def _elsewhere(cell: Cell, profile: Profile) -> None:
    """Measured from a model, not from its pictures (:mod:`.classify`)."""


METRICS = {
    m.name: m
    for m in (
        Metric("mmd", False, _distance(metrics.mmd), "distance of drawn and real pictures: unbiased, quadratic kernel"),
        Metric("kid", False, _distance(metrics.kid), "the same with KID's cubic kernel"),
        Metric(
            "drift_mmd",
            False,
            _drift(metrics.drift_mmd),
            "MMD from the same prompts and noises right after learning; of the prior, from the base",
        ),
        Metric("drift_kid", False, _drift(metrics.drift_kid), "the same as KID"),
        Metric("drift_fid", False, _drift(metrics.frechet), "the same as Fréchet distance (FID on Inception)"),
        Metric("image_align", True, _image_align, "cosine to the real pictures (CLIP-I, DINO-I by extractor)"),
        Metric("text_align", True, _text_align, "cosine to the prompt, the noun in the place of the token (CLIP-T)"),
        Metric("identity", True, _nearest_of("concept"), "share nearer to the concept than to its look-alikes"),
        Metric("diversity", True, _diversity, "1 - cosine among the pictures of a prompt"),
        Metric("lpips_diversity", True, _lpips_diversity, "LPIPS among the pictures of a prompt"),
        Metric("copying", False, _copying, "share nearer to a training picture than 95 % of real pictures are"),
        Metric("multi_concept", True, _nearest_of("pair"), "share nearer to the pair than to pairs with a look-alike"),
        Metric("multi_align", True, _multi_align, "pictures of a pair: cosine to the concept that is less there"),
        Metric("dc_accuracy", True, _elsewhere, "share of held-out pictures that the model itself classifies right"),
    )
}


def load_metric(name: str) -> Metric:
    """A metric by name, ``@extractor`` put aside; raises BadInput for an unknown, doubled or broken one."""
    plain = name.partition("@")[0]
    if plain in METRICS:
        return METRICS[plain]
    points = [p for p in entry_points(group=GROUP) if p.name == plain]
    if not points:
        raise unknown("metric", plain, [*METRICS, *(p.name for p in entry_points(group=GROUP))])
    if len(points) > 1:
        raise BadInput(f"metric '{plain}' is published twice: by {points[0].value} and by {points[1].value}.")
    try:
        loaded = points[0].load()
    except Exception as error:  # whatever a stranger's module raises while it is imported
        raise BadInput(f"metric '{plain}' of {points[0].value} cannot be loaded: {error}.") from error
    if not isinstance(loaded, Metric):
        raise BadInput(f"metric '{plain}' of {points[0].value} is no cpbench.benchmark.scoring.metrics.Metric.")
    return loaded


def rows(name: str, cell: Cell, profile: Profile) -> Iterator[dict[str, Any]]:
    """Rows (metric, prompt, value, n, se) of one metric: one a prompt for values of pictures, else one of the cell."""
    metric = load_metric(name)
    found = metric.of(cell, profile)
    if found is None:
        return
    value = np.asarray(found, dtype=np.float64)
    if np.isnan(value).any():
        raise FailedRun(f"metric '{name}' is not a number; its features or pictures are broken.")
    common = {"metric": name, "higher_is_better": metric.higher_is_better}
    if value.ndim == 0:
        se = _jackknife(metric, cell, profile)
        yield {**common, "prompt": None, "value": float(value), "n": len(cell.drawn), "se": se}
    elif cell.prompts is None:
        yield {**common, "prompt": None, "value": float(value.mean()), "n": len(value), "se": None}
    else:
        for prompt in np.unique(cell.prompts).tolist():
            own = value[cell.prompts == prompt]
            yield {**common, "prompt": prompt, "value": float(own.mean()), "n": len(own), "se": None}


def _jackknife(metric: Metric, cell: Cell, profile: Profile) -> float | None:
    """The standard error of a value of the whole cell, by leaving out one prompt after another.

    A bootstrap would hold a picture twice, and an unbiased estimator would take the pair for a likeness.
    """
    prompts = [] if cell.prompts is None else np.unique(cell.prompts).tolist()
    if len(prompts) < 2:
        return None
    left = np.array([metric.of(cell.without(p), profile) for p in prompts], dtype=np.float64)
    return float(np.sqrt((len(left) - 1) * left.var()))
