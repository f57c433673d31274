"""Learn one concept, starting from the state after the task before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...models.backbone import Backbone
from ...plan.units import Train
from ...protocol import Extras, Inspectable, Task, Watch
from ...storage.store import Store, stored_bytes
from ...suite.concepts import learning, subject_of, training_captions, training_pictures, training_views
from ...suite.spec import Suite
from ..checkpoint import Checkpoints
from ..phases import Phases
from .method import method_of
from .pictures import read_pictures


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
        extras=_extras(unit, suite, store),
    )
    method = method_of(unit.method.make, unit.seed, unit.parent, backbone, store)
    with learning(unit.concept):
        figures = method.learn(task, phases)
        phases.close("rest")
        seconds, peak = sum(phases.seconds.values()), max(phases.peak_bytes.values())
        if isinstance(method, Inspectable) and backbone.engine.inspect != "off":
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


def _extras(unit: Train, suite: Suite, store: Store) -> Extras:
    """What the suite asks for beyond the budget."""
    asked, prior = suite.training, suite.training.prior
    return Extras(
        views=training_views(suite, unit.concept),
        captions=training_captions(suite, unit.concept),
        prior=read_pictures(store.read(unit.prior.key)) if unit.prior else None,
        prior_weight=prior.weight if prior else 1.0,
        min_snr=asked.min_snr,
        noise_offset=asked.noise_offset,
    )
