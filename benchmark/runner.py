"""What each kind of unit does: learn, draw, keep real pictures, score. Writes into the folder it is given."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from . import data
from .backbone import Backbone
from .chain import Draw, Measure, Real, Train, Unit
from .phases import Phases
from .protocol import Inspectable, Method, Pictures, Prompt, Task, Tick, Watch
from .scoring import Scorer
from .spec import Suite, digest
from .store import Store, stored_bytes


@dataclass(frozen=True)
class Runner:
    """Does units of one suite on one backbone."""

    suite: Suite
    store: Store
    backbone: Backbone
    scorer: Scorer

    def do(self, unit: Unit, watch: Watch) -> Path:
        """Do a unit unless it is there; its folder in the store."""
        inputs = {"kind": type(unit).__name__.lower(), "concept": unit.concept.name, "needs": list(unit.needs)}
        return self.store.put(unit.key, inputs, lambda folder: self._work(unit, folder, watch))

    def _work(self, unit: Unit, folder: Path, watch: Watch) -> dict[str, Any]:
        match unit:
            case Train():
                return self._train(unit, folder, watch)
            case Draw():
                return self._draw(unit, folder, watch)
            case Real():
                write_pictures(folder, data.held_out_pictures(self.suite, unit.concept))
                return {}
            case Measure():
                return self._measure(unit, folder, watch)

    def _train(self, unit: Train, folder: Path, watch: Watch) -> dict[str, Any]:
        suite = self.suite
        task = Task(
            number=unit.number,
            subject=data.subject(unit.concept),
            pictures=data.training_pictures(suite, unit.concept),
            prompt=suite.prompts.train,
            steps=suite.training.steps,
            batch=suite.training.batch,
            seed=unit.seed,
        )
        method = self._method(unit.method.make, unit.seed, unit.parent)
        phases = Phases(self.backbone.device, watch)
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
        """A new method object, loaded from a stored state where there is one."""
        assert make is not None
        method = make(self.backbone.copy(), seed)
        if state is not None:
            method.load(self.store.folder / state / "state")
        return method

    def _draw(self, unit: Draw, folder: Path, watch: Watch) -> dict[str, Any]:
        who = (data.subject(unit.concept),)
        cells = [(p, k) for p in range(len(unit.prompts)) for k in range(unit.per_prompt)]
        prompts = [Prompt(unit.prompts[p], who) for p, _ in cells]
        seeds = [int(digest([unit.seed, unit.concept.name, unit.prompts[p], k]), 16) % 2**31 for p, k in cells]
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
        pictures = read_pictures(self.store.folder / unit.pictures)
        watch(Tick("score", 0, len(pictures)))
        of_prompt = self.store.meta(unit.pictures)["measured"].get("prompt_of_picture")
        rows = self.scorer.rows(unit.concept, pictures, of_prompt)
        (folder / "scores.json").write_text(json.dumps(rows))
        watch(Tick("score", len(pictures), len(pictures)))
        return {}


def write_pictures(folder: Path, pictures: Pictures) -> None:
    """Write pictures as numbered PNG files (lossless: JPEG would change every score)."""
    for k, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{k:04d}.png")


def read_pictures(folder: Path) -> Pictures:
    """Read what :func:`write_pictures` wrote."""
    return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in sorted(folder.glob("*.png"))])
