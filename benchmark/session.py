"""From choices to records: plans a sweep, runs it, and writes one result record a run."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from .aligners import load_aligner, reads
from .backbone import Backbone, hash_weights
from .backbones import load_backbone
from .cell import load_metric
from .chain import Planner, RunPlan, gather
from .data import check_suite
from .execute import Event, Outcome, execute
from .extractors import Extractor, load_extractor
from .features import FeatureCache
from .profiles import Profile, load_profile
from .results import Result, Score, TaskCost, read_result, result_path, write_result
from .runner import Runner
from .scoring import Eyes, Scorer
from .spec import Suite, digest
from .store import Store
from .units import Choice, Classify, Measure, Unit, called

_PACKAGES = ("cpbench", "torch", "diffusers", "transformers", "peft", "timm", "numpy", "pillow")


@dataclass
class Session:
    """One suite on one backbone: models loaded once, a store, and the records' folder."""

    suite: Suite
    store: Store
    backbone: Backbone
    profile: Profile
    scorer: Scorer
    extractors: dict[str, str]

    def plan(
        self, methods: Sequence[Choice], orders: Sequence[tuple[int, ...]], seeds: Sequence[int], protocol: str
    ) -> list[RunPlan]:
        """The runs of a sweep: every method on every order with every seed."""
        model = self.backbone
        dtype = str(model.dtype).removeprefix("torch.")
        planner = Planner(
            suite=self.suite,
            profile=self.profile,
            backbone=model.name,
            weights=model.weights,
            device=model.device.type,
            dtype=dtype,
            extractors=self.extractors,
            protocol=protocol,
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
            scores=[] if failed else _sorted(self.scores(plan)),
            cost=[] if failed else list(self._costs(plan)),
            environment=environment(self.backbone),
            units=_keys(plan),
            status="error" if failed else "ok",
            error=failed,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )
        path = result_path(out, plan.run)
        there = read_result(path) if path.exists() else None
        if there is not None and not failed:
            result = _with_other_metrics(result, there)
        told = {"created", "environment"}
        same = there is not None and there.model_dump(exclude=told) == result.model_dump(exclude=told)
        return path if same else write_result(out, result)

    def scores(self, plan: RunPlan) -> Iterator[Score]:
        """The rows of a plan whose units are all done."""
        order = plan.run.order
        for unit in plan.ceilings:
            yield from self._rows("real", 0, 1 + max(order.index(c.name) for c in unit.subjects), unit)
        for look in plan.looks:
            if look.measure is not None:
                yield from self._rows("model", look.i, look.j, look.measure)
        for asked in plan.classified:
            yield from self._classified(asked, order)

    def _rows(self, source: str, i: int, j: int, unit: Measure) -> Iterator[Score]:
        place = {"source": source, "i": i, "j": j, "concept": called(unit.subjects)}
        for row in self.store.read_json(unit.key, "scores.json"):
            yield Score.model_validate(place | row)

    def _classified(self, unit: Classify, order: list[str]) -> Iterator[Score]:
        """The share of each concept that was classified right, and the confusion where there was any."""
        names = [c.name for c in unit.concepts]
        for name, counts in zip(names, self.store.read_json(unit.key, "confusion.json"), strict=False):
            n, place = sum(counts), {"source": "model", "i": unit.number, "j": 1 + order.index(name), "concept": name}
            common = {**place, "prompt": None, "n": n}
            right = counts[names.index(name)] / n
            yield Score.model_validate({**common, "metric": "dc_accuracy", "value": right, "higher_is_better": True})
            for other, count in zip(names, counts, strict=True):
                if count and other != name:
                    wrong = {"metric": "dc_confusion", "other": other, "value": count / n, "higher_is_better": False}
                    yield Score.model_validate(common | wrong)

    def _costs(self, plan: RunPlan) -> Iterator[TaskCost]:
        drawn = {look.i: look.draw.key for look in plan.looks if look.i == look.j and len(look.draw.subjects) == 1}
        for train in plan.trains:
            draw = self.store.meta(drawn[train.number])["measured"]
            measured = self.store.meta(train.key)["measured"]
            yield TaskCost(task=train.number, seconds_per_picture=draw["seconds_per_picture"], **measured)


def _with_other_metrics(result: Result, there: Result) -> Result:
    """A record with the rows of metrics that an earlier one of the same run has, and it has not."""
    own = {s.metric for s in result.scores} | {"dc_confusion"}
    return result.model_copy(
        update={"scores": _sorted([*result.scores, *(s for s in there.scores if s.metric not in own)])}
    )


def _sorted(scores: Iterable[Score]) -> list[Score]:
    """Ceilings first, then by place, metric and prompt: the same record whatever was measured first."""
    return sorted(
        scores, key=lambda s: (s.source != "real", s.i, s.j, s.concept, s.metric, s.prompt or 0, s.other or "")
    )


def open_session(
    suite: Suite,
    home: Path,
    *,
    profile: Profile | None = None,
    backbone: str | None,
    device: str,
    dtype: str,
    warn: Callable[[str], None],
) -> Session:
    """Check the suite's pictures, then load everything that a sweep on it needs."""
    check_suite(suite)
    profile = profile or load_profile(suite.evaluation.profile)
    for metric in profile.metrics:
        load_metric(metric)
    model = load_backbone(backbone or suite.backbone, suite.sampling, device, dtype)
    eyes, keys = {}, {}
    for name in profile.extractors:
        extractor = load_extractor(name, model.device)
        eyes[name], keys[name] = _eyes(extractor, model, home / "features", profile), extractor.key
    aligner = None
    if profile.aligner is not None:
        loaded, keys[profile.aligner] = load_aligner(profile.aligner, model.device)
        aligner = (reads(profile.aligner), loaded)
    return Session(suite, Store(home / "units", warn), model, profile, Scorer(suite, profile, eyes, aligner), keys)


def _eyes(extractor: Extractor, model: Backbone, folder: Path, profile: Profile) -> Eyes:
    drawn = FeatureCache(folder, extractor, extractor.key)
    if not profile.autoencoded:
        return Eyes(drawn, drawn)
    key = digest([extractor.key, hash_weights({"codec": model.codec}), "autoencoded"])
    return Eyes(drawn, FeatureCache(folder, lambda pictures: extractor(model.reconstruct(pictures)), key))


def _keys(plan: RunPlan) -> dict[str, str]:
    keys = {f"train/{t.number}": t.key for t in plan.trains}
    for look in plan.looks:
        what = str(look.j) if len(look.draw.subjects) == 1 else called(look.draw.subjects)
        keys[f"draw/{look.i}/{what}"] = look.draw.key
    return keys | {f"real/{called(r.subjects)}": r.key for r in plan.reals}


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
