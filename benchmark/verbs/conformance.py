"""``cpbench.conformance``: the contract of a method, of a metric, or of a model."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...methods.registry import choose_one
from ..checks import backbones
from ..checks.conformance import CHECKS, ContractChecks, examine
from ..checks.lessons import SAMPLING
from ..errors import BadInput
from ..models.loading import load_backbone
from ..owners import owner_of
from ..run.quiet import quiet_libraries
from ..scoring.metrics import load_metric, published
from ..scoring.profiles import CLASSIFIED, load_profile
from ..scoring.returned import metric_owner
from ..scoring.trial import MetricChecks, examined
from .arguments import Settings, settings_of


@dataclass(frozen=True)
class Clause:
    """A clause of the contract, and how it is broken (None: it is kept)."""

    check: str
    fault: str | None


def conformance(
    name: str | None = None, settings: Settings | None = None, *, metric: bool = False, backbone: str | None = None
) -> Iterator[Clause]:
    """Check the clauses of the contract of a method, of a ``metric``, or of a ``backbone``, one after another.

    A method is checked on a tiny model, a metric on random pictures and features. Without a name, the backbone itself
    is checked, in small pictures. Raises BadInput for an unknown name or option.
    """
    if (name is None) == (backbone is None):
        raise BadInput("give the name of a method or of a metric, or a model with --backbone.")
    if backbone is not None:
        yield from _of_backbone(backbone)
        return
    assert name is not None
    if metric:
        if settings:
            raise BadInput(f"--set {next(iter(settings))}: a metric has no options; omit it.")
        yield from _of_metric(name)
        return
    chosen = choose_one(name, settings_of(settings))
    if chosen.make is None:
        raise BadInput(f"method '{name}' never learns, so there is nothing to check; choose one that learns.")
    with tempfile.TemporaryDirectory() as folder, quiet_libraries():
        contract = ContractChecks(chosen.make, Path(folder), owner=owner_of(name, chosen.options))
        for check in CHECKS:
            yield Clause(str(check.__doc__).strip(), examine(check, contract))


def _of_backbone(name: str) -> Iterator[Clause]:
    with quiet_libraries():
        model = load_backbone(name, SAMPLING)
        small = model.resampled(SAMPLING.model_copy(update={"size": 8 * model.grain}))
        for check, fault in backbones.examined(backbones.BackboneChecks(small)):
            yield Clause(check, fault)


def _of_metric(name: str) -> Iterator[Clause]:
    metric, owner = load_metric(name), metric_owner(name, next(iter(published(name)), None))
    if name in CLASSIFIED:
        raise BadInput(f"metric '{name}' is measured on a model, not on its pictures; choose another.")
    with quiet_libraries():
        for check, fault in examined(MetricChecks(metric, owner, load_profile("toybox"))):
            yield Clause(check, fault)
