"""From choices to records: plans a sweep, runs it, and writes one result record a run."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from .backbone import Backbone, hash_weights
from .backbones import load_backbone
from .chain import Choice, Measure, Planner, RunPlan, Unit, gather
from .data import check_suite
from .execute import Event, Outcome, execute
from .features import FeatureCache, load_aligner, load_extractor
from .results import Result, Score, TaskCost, read_result, result_path, write_result
from .runner import Runner
from .scoring import Scorer
from .spec import Suite, digest
from .store import Store

_PACKAGES = ("cpbench", "torch", "diffusers", "transformers", "peft", "timm", "numpy", "pillow")


@dataclass
class Session:
    """One suite on one backbone: models loaded once, a store, and the records' folder."""

    suite: Suite
    store: Store
    backbone: Backbone
    scorer: Scorer
    extractors: dict[str, str]

    def plan(
        self, methods: Sequence[Choice], orders: Sequence[tuple[int, ...]], seeds: Sequence[int], protocol: str
    ) -> list[RunPlan]:
        """The runs of a sweep: every method on every order with every seed."""
        model = self.backbone
        dtype = str(model.dtype).removeprefix("torch.")
        planner = Planner(
            self.suite, model.name, model.weights, model.device.type, dtype, self.extractors, protocol=protocol
        )
        return [planner.run(m, order, seed) for m in methods for order in orders for seed in seeds]

    def missing(self, plans: Sequence[RunPlan]) -> dict[str, Unit]:
        """Units of the plans that are not in the store, or are damaged there."""
        return {key: unit for key, unit in gather(plans).items() if self.store.find(key) is None}

    def do(self, units: dict[str, Unit], tell: Callable[[Event], None]) -> Outcome:
        """Do the units that are not there yet."""
        return execute(units, Runner(self.suite, self.store, self.backbone, self.scorer), tell)

    def run(
        self, plans: Sequence[RunPlan], units: dict[str, Unit], out: Path, tell: Callable[[Event], None]
    ) -> list[Path]:
        """Do the units and write the records; a run with a failed unit gets a record that says so."""
        outcome = self.do(units, tell)
        return [self._record(plan, out, outcome.errors) for plan in plans]

    def _record(self, plan: RunPlan, out: Path, errors: dict[str, str]) -> Path:
        """Write the record of a run; one that is there already, and the same but for its time, stays untouched."""
        failed = next((errors[u.key] for u in plan.units() if u.key in errors), None)
        result = Result(
            run=plan.run,
            scores=[] if failed else list(self.scores(plan)),
            cost=[] if failed else list(self._costs(plan)),
            environment=environment(self.backbone),
            units=_keys(plan),
            status="error" if failed else "ok",
            error=failed,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )
        path = result_path(out, plan.run)
        return path if _same(path, result) else write_result(out, result)

    def scores(self, plan: RunPlan) -> Iterator[Score]:
        """The rows of a plan whose units are all done."""
        for j, unit in enumerate(plan.ceilings, 1):
            yield from self._rows("real", 0, j, unit)
        for (i, j), unit in plan.cells.items():
            yield from self._rows("model", i, j, unit)

    def _rows(self, source: str, i: int, j: int, unit: Measure) -> Iterator[Score]:
        for row in self.store.read_json(unit.key, "scores.json"):
            yield Score.model_validate({"source": source, "i": i, "j": j, "concept": unit.concept.name, **row})

    def _costs(self, plan: RunPlan) -> Iterator[TaskCost]:
        for train in plan.trains:
            draw = self.store.meta(plan.draws[train.number, train.number].key)["measured"]
            measured = self.store.meta(train.key)["measured"]
            yield TaskCost(task=train.number, seconds_per_picture=draw["seconds_per_picture"], **measured)


def open_session(
    suite: Suite, home: Path, *, backbone: str | None, device: str, dtype: str, warn: Callable[[str], None]
) -> Session:
    """Check the suite's pictures, then load everything that a sweep on it needs."""
    check_suite(suite)
    model = load_backbone(backbone or suite.backbone, suite.sampling, device, dtype)
    extractor = load_extractor(suite.evaluation.extractor, model.device)
    drawn = FeatureCache(home / "features", extractor, extractor.key)
    real = drawn
    if suite.evaluation.autoencoded:
        key = digest([extractor.key, hash_weights({"codec": model.codec}), "autoencoded"])
        real = FeatureCache(home / "features", lambda pictures: extractor(model.reconstruct(pictures)), key)
    aligner, keys = None, {extractor.name: extractor.key}
    if suite.evaluation.aligner is not None:
        aligner, keys[suite.evaluation.aligner] = load_aligner(suite.evaluation.aligner)
    return Session(suite, Store(home / "units", warn), model, Scorer(suite, drawn, real, aligner), keys)


def _keys(plan: RunPlan) -> dict[str, str]:
    keys = {f"train/{t.number}": t.key for t in plan.trains}
    keys |= {f"draw/{i}/{j}": d.key for (i, j), d in plan.draws.items()}
    return keys | {f"real/{r.concept.name}": r.key for r in plan.reals}


def _same(path: Path, result: Result) -> bool:
    """Whether the record at ``path`` says the same as ``result``, times and places aside."""
    if not path.exists():
        return False
    told = {"created", "environment"}
    return read_result(path).model_dump(exclude=told) == result.model_dump(exclude=told)


def environment(backbone: Backbone) -> dict[str, Any]:
    """The stamp of a record: versions, commit, machine, device and threads."""
    device = backbone.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "python": platform.python_version(),
        "platform": platform.system(),
        "packages": {p: _version(p) for p in _PACKAGES},
        "commit": _commit(),
        "device": name,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _commit() -> str | None:
    """The git commit of this checkout, with ``+`` where it has changes; None outside a checkout."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return None
    try:
        call = ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
        return subprocess.run(call, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def set_threads(threads: int | None) -> None:
    """Set the number of CPU threads of torch, where one is given."""
    if threads is not None:
        torch.set_num_threads(threads)
