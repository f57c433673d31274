"""What the checks of the contract let a method do: two tasks on a tiny model with random weights."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..hashing import digest
from ..models.backbone import Backbone
from ..models.loading import load_backbone
from ..models.weights import hash_weights
from ..protocol import (
    Explaining,
    Inspectable,
    Method,
    Pictures,
    Prompt,
    Question,
    Subject,
    Task,
    Tick,
    sharing,
    unwatched,
)
from ..suite.spec import Sampling
from ..toybox.world import portraits, unusual_individual
from .contract import Checked, CheckedFactory

Make = Callable[[Backbone, int], Method]
Hear = Callable[[int, Tick], None]
SAMPLING = Sampling(sampler="dpm++", steps=2, guidance=2.0, batch=8, size=64)
SUBJECTS = (Subject("mallow", "cat"), Subject("rumble", "car"))
ROUNDING = 2  # of 255: a batch of another size may change pictures by this much
PROMPTS = [Prompt("photo of a {}", (s,)) for s in SUBJECTS]
QUESTIONS = [
    Question(0, PROMPTS[0], 250, 1),
    Question(1, PROMPTS[1], 750, 2),
    Question(0, replace(PROMPTS[0], bare=True), 500, 3),
]


def small_task(number: int, subject: Subject, steps: int = 3) -> Task:
    """A task of two pictures of an individual of the toybox world."""
    pictures = np.stack(portraits([unusual_individual(subject.noun, 40 + number)], 2, number))
    return Task(number, subject, pictures, "photo of a {}", steps, 2, seed=number)


@dataclass(frozen=True)
class Taught:
    """A method after two tasks: its backbone, its states by task, what it draws, and frozen weights that changed."""

    method: Method
    backbone: Backbone
    folders: tuple[Path, ...]
    drawn: Pictures
    changed: tuple[str, ...]


def hash_of(model: Backbone) -> str:
    """A hash of all weights of a model as they are now."""
    return hash_weights({**model.modules, "codec": model.vae})


def draw(method: Method) -> Pictures:
    """One picture of each concept."""
    return method.generate(PROMPTS, [1, 2])


def draw_loaded(make: Make, folder: Path, model: str = "tiny") -> Pictures:
    """What a new method loaded from ``folder`` draws; to be called in another process."""
    method = make(load_backbone(model, SAMPLING), 7)
    method.load(folder)
    return draw(method)


def teach(
    make: Make, pristine: Backbone, folder: Path, *, spoil: bool = False, hear: Hear = lambda number, tick: None
) -> Taught:
    """Teach two tasks as the runner does: saved, and loaded into a new object, in between.

    ``spoil`` blackens the pictures of a task after it: a method that reads them again learns something else. ``hear``
    gets the progress with the number of its task.
    """
    folders: list[Path] = []
    changed: set[str] = set()
    for number, subject in enumerate(SUBJECTS, 1):
        backbone, task = pristine.shared() if sharing(make) else pristine.copy(), small_task(number, subject)
        method = make(backbone, 7)
        if folders:
            method.load(folders[-1])
        method.learn(task, partial(hear, number))
        changed |= _changed(pristine, backbone, method)
        folders.append(folder / f"after-{number}")
        folders[-1].mkdir(parents=True)
        method.save(folders[-1])
        if spoil:
            task.pictures[:] = 0
    return Taught(method, backbone, tuple(folders), draw(method), tuple(sorted(changed)))


def _changed(pristine: Backbone, backbone: Backbone, method: Method) -> set[str]:
    """Weights of the pretrained model that have changed, except for what an adapter trains and has folded.

    In a layer that peft has wrapped they are those of its ``base_layer``; other wrappers may give them any name.
    """
    adapter = getattr(method.method if isinstance(method, Checked) else method, "adapter", None)
    trained: Mapping[str, Tensor] = getattr(adapter, "params", {})
    folded: Mapping[str, Tensor] = getattr(adapter, "folded", dict)()
    changed = set()
    for part, module in pristine.modules.items():
        now = {name.replace(".base_layer.", "."): w for name, w in backbone.modules[part].state_dict().items()}
        for name, w in module.state_dict().items():
            change = folded.get(name.removesuffix(".weight"))
            right = w if change is None else (w.float() + change).to(w)
            held = (now[name],) if name in now else now.values()
            if f"{part}.{name}" not in trained and not any(torch.equal(right, own) for own in held):
                changed.add(f"{part}.{name}")
    return changed


@dataclass(frozen=True)
class Lesson:
    """What a method did that was checked at every call: its ticks with the numbers of their tasks, and what it drew.

    ``alone``: the first of :data:`PROMPTS` with the seed 1. ``batch``: the same, with the seed 9, and the second one.
    ``random``: the global random states that it left different.
    """

    taught: Taught
    ticks: tuple[tuple[int, Tick], ...]
    alone: Pictures
    batch: Pictures
    random: tuple[str, ...]


def lesson(make: CheckedFactory, pristine: Backbone, folder: Path) -> Lesson:
    """Teach as :func:`teach` with ``spoil``, and let the method do all else that the contract knows; raises Faulty."""
    before, ticks = _random_states(), list[tuple[int, Tick]]()
    taught = teach(make, pristine, folder, spoil=True, hear=lambda number, tick: ticks.append((number, tick)))
    alone = taught.method.generate(PROMPTS[:1], [1])
    batch = taught.method.generate([PROMPTS[0], *PROMPTS], [1, 9, 2])
    _extras(taught.method, small_task(2, SUBJECTS[1]))
    after = _random_states()
    return Lesson(taught, tuple(ticks), alone, batch, tuple(name for name in before if before[name] != after[name]))


def _extras(method: Method, task: Task) -> None:
    """What a method need not offer, and what is only reported."""
    method.trainable()
    if isinstance(method, Explaining):
        method.explain(task.pictures, QUESTIONS)
    if isinstance(method, Inspectable):
        method.inspect(task, unwatched)


def _random_states() -> dict[str, str]:
    """Digests of the global random states, by the name of their module."""
    shared: Any = np.random.get_state()  # of the old functions of numpy.random
    states: dict[str, Any] = {"random": random.getstate(), "numpy": [shared[1].tolist(), shared[2]]}
    states["torch"] = torch.get_rng_state().tolist()
    return {name: digest(state) for name, state in states.items()}


def disorder(ticks: Sequence[tuple[int, Tick]]) -> str | None:
    """What is wrong with the order of ticks: inside a phase, steps do not fall and their number stays the same."""
    last: dict[tuple[int, str], Tick] = {}
    for number, tick in ticks:
        before = last.setdefault((number, tick.phase), tick)
        if tick.steps != before.steps or tick.step < before.step:
            heard = " after ".join(f"step {t.step} of {t.steps}" for t in (tick, before))
            return f"in phase '{tick.phase}' it reports {heard}"
        last[number, tick.phase] = tick
    return None
