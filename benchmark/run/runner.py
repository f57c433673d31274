"""What each kind of unit does: learn, draw, store real pictures, score or classify. Its folder is given."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..hashing import digest
from ..models.backbone import Backbone
from ..plan.planner import REVISION
from ..plan.units import Classify, Draw, Measure, Real, Train, Unit, kind_of
from ..protocol import Explaining, Inspectable, Method, Pictures, Prompt, Task, Tick, Watch
from ..records.stamp import MADE_ON
from ..scoring.classifier import PICTURES, classify, confusion
from ..scoring.scorer import Scorer, StoredImages
from ..storage.store import Store, stored_bytes
from ..suite.concepts import held_out_pictures, label_of, learning, subject_of, training_pictures, unseen_pictures
from ..suite.spec import Suite
from .checkpoint import Checkpoints
from .phases import Phases


@dataclass(frozen=True)
class Runner:
    """Computes units of one suite on one backbone; each records ``made_on``: what decides the last bits of numbers."""

    suite: Suite
    store: Store
    backbone: Backbone
    scorer: Scorer
    made_on: Mapping[str, Any] = field(default_factory=dict)

    def do(self, unit: Unit, watch: Watch, begun: Callable[[], None] = lambda: None) -> Path:
        """Compute a unit unless it is stored, and return its folder. ``begun`` is called if there is work to do.

        Raises Busy if another process computes it, and Lost if something that it needs is missing.
        """
        kind, method = kind_of(unit)
        about = {"kind": kind.lower(), "method": method, "what": unit.title, "revision": REVISION}
        inputs: dict[str, Any] = about | {
            "suite": self.suite.name,
            "weights": self.backbone.weights,
            "needs": list(unit.needs),
            MADE_ON: dict(self.made_on),
        }

        def write(folder: Path) -> dict[str, Any]:
            begun()
            return self._work(unit, folder, watch)

        return self.store.put(unit.key, inputs, write, wait=False)

    def _work(self, unit: Unit, folder: Path, watch: Watch) -> dict[str, Any]:
        match unit:
            case Train():
                return self._train(unit, folder, watch)
            case Draw():
                return self._draw(unit, folder, watch)
            case Real():
                real = held_out_pictures(self.suite, unit.subjects)
                assert real is not None  # else it is not planned
                write_pictures(folder, real)
                return {}
            case Measure():
                return self._measure(unit, folder, watch)
            case Classify():
                return self._classify(unit, folder, watch)

    def _train(self, unit: Train, folder: Path, watch: Watch) -> dict[str, Any]:
        suite, phases = self.suite, Phases(self.backbone.device, watch)
        task = Task(
            number=unit.number,
            subject=subject_of(unit.concept),
            pictures=training_pictures(suite, unit.concept),
            prompt=suite.prompts.train,
            steps=suite.training.steps,
            batch=suite.training.batch,
            seed=unit.seed,
            scratch=Checkpoints(self.store.scratch(unit.key), phases),
        )
        method = self._method(unit.method.make, unit.seed, unit.parent)
        with learning(unit.concept):
            figures = method.learn(task, phases)
            phases.close("rest")
            seconds, peak = sum(phases.seconds.values()), max(phases.peak_bytes.values())
            if isinstance(method, Inspectable):
                figures |= method.inspect(task, phases)
        (folder / "state").mkdir()
        method.save(folder / "state")
        return {
            "train_seconds": seconds,
            "peak_memory_bytes": peak,
            "trainable_parameters": method.trainable(),
            "stored_bytes": stored_bytes(folder / "state"),
            "figures": figures | phases.figures(),
        }

    def _method(self, make: Callable[[Any, int], Method] | None, seed: int, state: str | None) -> Method:
        """A new method object, loaded from a stored state if one is given."""
        assert make is not None
        method = make(self.backbone.copy(), seed)
        if state is not None:
            method.load(self.store.read(state) / "state")
        return method

    def _draw(self, unit: Draw, folder: Path, watch: Watch) -> dict[str, Any]:
        who, name = tuple(map(subject_of, unit.subjects)), label_of(unit.subjects)
        cells = [(p, k) for p in range(len(unit.prompts)) for k in range(unit.per_prompt)]
        prompts = [Prompt(unit.prompts[p], who) for p, _ in cells]
        seeds = [int(digest([unit.seed, name, unit.prompts[p], k]), 16) % 2**31 for p, k in cells]
        watch(Tick("draw", 0, len(cells)))
        generate = self._generator(unit)
        start = time.perf_counter()
        pictures = generate(prompts, seeds)
        seconds = time.perf_counter() - start
        write_pictures(folder, pictures)
        watch(Tick("draw", len(cells), len(cells)))
        return {"seconds_per_picture": seconds / len(cells), "prompt_of_picture": [p for p, _ in cells]}

    def _generator(self, unit: Draw) -> Callable[[list[Prompt], list[int]], Pictures]:
        if unit.state is None or unit.method is None:
            return lambda prompts, seeds: self.backbone.sample([p.render(lambda s: s.noun) for p in prompts], seeds)
        return self._method(unit.method.make, 0, unit.state).generate

    def _measure(self, unit: Measure, folder: Path, watch: Watch) -> dict[str, Any]:
        before = self._stored(unit.before) if unit.before else None
        seen = self._stored(unit.pictures, real=unit.real)
        watch(Tick("score", 0, len(seen.pictures)))
        (folder / "scores.json").write_text(json.dumps(self.scorer.rows(unit.subjects, seen, before)))
        watch(Tick("score", len(seen.pictures), len(seen.pictures)))
        return {}

    def _stored(self, key: str, *, real: bool = False) -> StoredImages:
        pictures = read_pictures(self.store.read(key))
        return StoredImages(pictures, self.store.meta(key)["measured"].get("prompt_of_picture"), real)

    def _classify(self, unit: Classify, folder: Path, watch: Watch) -> dict[str, Any]:
        """The confusion of the concepts, or an empty table for a method that does not give its noise error."""
        model: Any = self._method(unit.method.make, 0, unit.state) if unit.state and unit.method else self.backbone
        table = []
        if isinstance(model, Explaining):
            held = [unseen_pictures(self.suite, c)[:PICTURES] for c in unit.concepts]
            truth = [k for k, pictures in enumerate(held) for _ in pictures]
            prompts = [Prompt(self.suite.prompts.train, (subject_of(c),)) for c in unit.concepts]
            watch(Tick("classify", 0, len(truth)))
            found = classify(model.explain, np.concatenate(held), prompts) if truth else np.array([], np.int64)
            table = confusion(truth, found, len(held)).tolist()
            watch(Tick("classify", len(truth), len(truth)))
        (folder / "confusion.json").write_text(json.dumps(table))
        return {}


def write_pictures(folder: Path, pictures: Pictures) -> None:
    """Write pictures as numbered PNG files (lossless: JPEG would change every score)."""
    for k, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{k:04d}.png")


def read_pictures(folder: Path) -> Pictures:
    """Read the pictures that :func:`write_pictures` wrote; (n, height, width, 3), uint8."""
    return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in sorted(folder.glob("*.png"))])
