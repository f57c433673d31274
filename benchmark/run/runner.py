"""Computes units: each is done by the module of :mod:`.work` for its kind, in a folder of the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import FailedRun
from ..models.backbone import Backbone
from ..models.loading import EMBEDDED
from ..plan.units import Classify, Draw, Measure, Real, Train, Unit, kind_of, with_method
from ..protocol import Watch
from ..records.stamp import MADE_ON
from ..scoring.scorer import Scorer
from ..storage.store import Store
from ..suite.spec import Suite
from .checked import checked
from .memory import give_back
from .work.classify import classify
from .work.draw import draw
from .work.learn import learn
from .work.measure import measure
from .work.method import Loaded
from .work.pictures import real


@dataclass(frozen=True)
class Runner:
    """Computes units of one suite on one backbone; each records ``made_on``: what decides the last bits of numbers.

    ``code``: digests of this process's code by kind of unit; those of its units must be the same. Empty: any will do.
    """

    suite: Suite
    store: Store
    backbone: Backbone
    scorer: Scorer
    made_on: Mapping[str, Any] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def loaded(self) -> Loaded:
        """What draws and classifies."""
        return Loaded(self.backbone, self.store)

    def do(self, unit: Unit, watch: Watch, begun: Callable[[], None] = lambda: None) -> Path:
        """Compute a unit unless it is stored, and return its folder. ``begun`` is called if there is work to do.

        Raises Busy if another process computes it, Lost if something that it needs is missing, and FailedRun if it was
        planned by other code than that of this process.
        """
        kind, method = kind_of(unit)
        inputs: dict[str, Any] = {
            "kind": kind.lower(),
            "method": method,
            "what": unit.title,
            "code": unit.code,
            "suite": self.suite.name,
            "weights": self.backbone.weights,
            "needs": list(unit.needs),
            MADE_ON: dict(self.made_on),
        }
        with self.store.making(unit.key, inputs, wait=False) as made:
            if made is not None:
                self._check_code(unit, kind.lower())
                begun()
                made.measured = self._work(checked(unit, self.backbone.sampling.size), made.folder, watch)
                if self.backbone.name not in EMBEDDED:  # a small one leaves nothing worth the time
                    give_back()
        return self.store.folder / unit.key

    def _check_code(self, unit: Unit, kind: str) -> None:
        method = unit.method if isinstance(unit, Train | Draw | Classify) else None
        if self.code and unit.code != (with_method(self.code[kind], method.code) if method else self.code[kind]):
            raise FailedRun(
                f"{unit.title}: planned by other code than that of the process that should compute it; do not edit "
                "cpbench during a run, install the same version on all machines, and run the same command again."
            )

    def _work(self, unit: Unit, folder: Path, watch: Watch) -> dict[str, Any]:
        match unit:
            case Train():
                self.loaded.drop()  # training needs the memory
                return learn(unit, self.suite, self.backbone, self.store, folder, watch)
            case Draw():
                return draw(unit, self.loaded, folder, watch)
            case Real():
                return real(unit, self.suite, folder)
            case Measure():
                return measure(unit, self.scorer, self.store, folder, watch)
            case Classify():
                return classify(unit, self.suite, self.loaded, folder, watch)
