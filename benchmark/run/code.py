"""Which code decides the numbers of each kind of unit."""

from __future__ import annotations

from collections.abc import Mapping

from ..scoring.metrics import published
from ..scoring.profiles import Profile
from ..sources import code_digest, files_of

_HERE, _MODELS = __package__, f"{__package__.rpartition('.')[0]}.models"
_FEATURES = (
    f"{_HERE}.features",
    *(f"{_MODELS}.{name}" for name in ("autoencoder", "backbone", "extractors", "aligners")),
)
DECIDING: Mapping[str, tuple[str, ...]] = {
    "train": (f"{_HERE}.work.learn", f"{_MODELS}.loading"),
    "draw": (f"{_HERE}.work.draw", f"{_HERE}.work.method", f"{_MODELS}.loading"),
    "real": (f"{_HERE}.work.pictures",),
    "measure": (f"{_HERE}.work.measure", *_FEATURES),
    "classify": (f"{_HERE}.work.classify", f"{_HERE}.work.method", f"{_MODELS}.loading"),
}
"""By kind of unit, the modules whose code decides its numbers, with all that they import; methods come in addition."""


def code_of_units(profile: Profile) -> dict[str, str]:
    """Digests of the code by kind of unit; that of ``measure`` is also of the metrics of other packages."""
    own = {kind: code_digest(modules, draws=kind == "draw") for kind, modules in DECIDING.items()}
    points = [point for name in profile.metrics for point in published(name)]
    if not points:
        return own
    files = sorted({file for point in points for file in files_of(point)})
    return own | {"measure": code_digest(DECIDING["measure"], files)}


def code_of_features() -> str:
    """A digest of the code that turns pictures into features, for keys of stored features."""
    return code_digest(_FEATURES)
