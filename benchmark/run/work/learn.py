"""Learn one concept, starting from the state after the task before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...models.backbone import Backbone
from ...plan.units import Train
from ...protocol import Inspectable, Task, Watch
from ...storage.store import Store, stored_bytes
from ...suite.concepts import learning, subject_of, training_pictures
from ...suite.spec import Suite
from ..checkpoint import Checkpoints
from ..phases import Phases
from .method import method_of


def learn(unit: Train, suite: Suite, backbone: Backbone, store: Store, folder: Path, watch: Watch) -> dict[str, Any]:
    """Write the state after the task to ``state/``."""
    phases = Phases(backbone.device, watch)
    task = Task(
        number=unit.number,
        subject=subject_of(unit.concept),
        pictures=training_pictures(suite, unit.concept),
        prompt=suite.prompts.train,
        steps=suite.training.steps,
        batch=suite.training.batch,
        seed=unit.seed,
        scratch=Checkpoints(store.scratch(unit.key), phases),
    )
    method = method_of(unit.method.make, unit.seed, unit.parent, backbone, store)
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
