"""The contract of every method, checked on a tiny model with random weights: what it must do, and must not do.

``cpbench conformance NAME`` checks it for any method, those of other packages included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from ..models.backbone import Backbone, hash_weights
from ..models.loading import load_backbone
from ..protocol import Inspectable, Method, Pictures, Prompt, Subject, Task, unwatched
from ..suite.spec import Sampling
from ..toybox.world import portraits, unusual_individual
from .retained import holds_pictures

Make = Callable[[Backbone, int], Method]
SAMPLING = Sampling(sampler="dpm++", steps=2, guidance=2.0, batch=8, size=64)
SUBJECTS = (Subject("mallow", "cat"), Subject("rumble", "car"))
_ROUNDING = 2  # of 255: a batch of another size may change pictures by this much
_PROMPTS = [Prompt("photo of a {}", (s,)) for s in SUBJECTS]


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


def draw(method: Method) -> Pictures:
    """One picture of each concept."""
    return method.generate(_PROMPTS, [1, 2])


def draw_loaded(make: Make, folder: Path) -> Pictures:
    """What a new method loaded from ``folder`` draws; to be called in another process."""
    method = make(load_backbone("tiny", SAMPLING), 7)
    method.load(folder)
    return draw(method)


def teach(make: Make, pristine: Backbone, folder: Path, *, spoil: bool = False) -> Taught:
    """Teach two tasks as the runner does: saved, and loaded into a new object, in between.

    ``spoil`` blackens the pictures of a task after it: a method that reads them again learns something else.
    """
    folders: list[Path] = []
    changed: set[str] = set()
    for number, subject in enumerate(SUBJECTS, 1):
        backbone, task = pristine.copy(), small_task(number, subject)
        method = make(backbone, 7)
        if folders:
            method.load(folders[-1])
        method.learn(task, unwatched)
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
    adapter = getattr(method, "adapter", None)
    trained: Mapping[str, Tensor] = getattr(adapter, "params", {})
    folded: Mapping[str, Tensor] = getattr(adapter, "folded", dict)()
    changed = set()
    for part in ("unet", "text"):
        now = {name.replace(".base_layer.", "."): w for name, w in getattr(backbone, part).state_dict().items()}
        for name, w in getattr(pristine, part).state_dict().items():
            change = folded.get(name.removesuffix(".weight"))
            right = w if change is None else (w.float() + change).to(w)
            held = (now[name],) if name in now else now.values()
            if f"{part}.{name}" not in trained and not any(torch.equal(right, own) for own in held):
                changed.add(f"{part}.{name}")
    return changed


class ContractChecks:
    """The checks of one method; what several checks need is done once."""

    def __init__(self, make: Make, folder: Path, elsewhere: Executor | None = None) -> None:
        self.make, self.folder, self.elsewhere = make, folder, elsewhere
        self.pristine = load_backbone("tiny", SAMPLING)
        self.before = self._hash()

    def _hash(self) -> str:
        return hash_weights({"unet": self.pristine.unet, "text": self.pristine.text, "codec": self.pristine.vae})

    @cached_property
    def taught(self) -> Taught:
        """Taught as the runner does."""
        return teach(self.make, self.pristine, self.folder / "first")

    @cached_property
    def again(self) -> Taught:
        """Taught once more, with the pictures of past tasks blackened."""
        return teach(self.make, self.pristine, self.folder / "second", spoil=True)

    # --- checks: each returns what is wrong, or None ----------------------------------------------------------------

    def finite(self) -> str | None:
        """After two tasks, all numbers that it saves are finite."""
        for file in self.taught.folders[-1].rglob("*.safetensors"):
            if bad := [name for name, w in load_file(file).items() if not torch.isfinite(w).all()]:
                return f"{file.name} has numbers that are not finite: {', '.join(bad)}"
        return None

    def effective(self) -> str | None:
        """Learning changes the pictures that it draws, and its adapter the prediction for the same text."""
        base = self.pristine.sample([p.render(lambda s: s.noun) for p in _PROMPTS], [1, 2])
        most = np.abs(base.astype(int) - self.taught.drawn).max()
        if most <= _ROUNDING:
            return "the pictures are those of the base model"
        adapted = getattr(getattr(self.taught.method, "adapter", None), "params", {})
        return "its adapter changes nothing" if adapted and self._predicts_as_before() else None

    @torch.no_grad()
    def _predicts_as_before(self) -> bool:
        """Whether the network predicts the same ε as the base model, to the last bit, for the same text."""
        z, t = self.pristine.encode(small_task(1, SUBJECTS[0]).pictures), torch.tensor([500, 500])
        text = self.pristine.embed(["photo of a cat"] * len(z))
        first, second = (model.eps(z, t, text) for model in (self.pristine, self.taught.backbone))
        return torch.equal(first, second)

    def reloaded(self) -> str | None:
        """Saved and loaded, it draws the same pictures, in a new process too."""
        folder = self.taught.folders[-1]
        here = draw_loaded(self.make, folder)
        threads = (torch.get_num_threads(),)  # another number would round otherwise
        pool = self.elsewhere or ProcessPoolExecutor(1, get_context("spawn"), torch.set_num_threads, threads)
        there = pool.submit(draw_loaded, self.make, folder).result()
        if pool is not self.elsewhere:
            pool.shutdown()
        wrong = [
            n
            for n, x in (("in this process", here), ("in a new process", there))
            if not np.array_equal(x, self.taught.drawn)
        ]
        return f"after loading, the pictures differ {' and '.join(wrong)}" if wrong else None

    def repeatable(self) -> str | None:
        """With the same seed it draws the same pictures, also when those of past tasks are blackened."""
        same = np.array_equal(self.taught.drawn, self.again.drawn)
        return None if same else "in a second run, with the pictures of past tasks blackened, the drawn pictures differ"

    def contained(self) -> str | None:
        """Only its own parameters and the new token change."""
        changed = self.taught.changed
        return f"frozen weights changed: {len(changed)}, {changed[0]} among them" if changed else None

    def isolated(self) -> str | None:
        """The model that it was given a copy of does not change."""
        draw(self.taught.method)
        return None if self._hash() == self.before else "the original model has changed"

    def faithful(self) -> str | None:
        """Tokens of earlier tasks stay the same to the last bit."""
        early = self.make(mine := self.pristine.copy(), 7)
        early.load(self.taught.folders[0])
        now = self.taught.backbone.tokens
        lost = [name for name, row in mine.tokens.items() if name not in now or not torch.equal(row, now[name])]
        return f"changed tokens: {', '.join(lost)}" if lost else None

    def frugal(self) -> str | None:
        """Training pictures are in its state only if it declares so (``keeps_pictures``)."""
        pictures = np.concatenate([small_task(n, subject).pictures for n, subject in enumerate(SUBJECTS, 1)])
        kept = holds_pictures(self.taught.folders[-1], pictures, self.pristine)
        declared = bool(getattr(self.taught.method, "keeps_pictures", False))
        return (
            None
            if kept == declared
            else f"pictures are {'' if kept else 'not '}in its state; keeps_pictures is {declared}"
        )

    def versatile(self) -> str | None:
        """It draws prompts without a learned concept, and prompts with two concepts."""
        prompts = [Prompt("photo of a red cup", ()), Prompt("photo of a {} and a {}", SUBJECTS)]
        drawn = self.taught.method.generate(prompts, [1, 2])
        right = drawn.dtype == np.uint8 and drawn.shape == (len(prompts), *self.taught.drawn.shape[1:])
        return None if right else f"for two prompts it returned {drawn.dtype} {drawn.shape}"

    def discreet(self) -> str | None:
        """An inspection does not change what it draws."""
        method = self.taught.method
        if isinstance(method, Inspectable):
            method.inspect(small_task(2, SUBJECTS[1]), unwatched)
        return None if np.array_equal(draw(method), self.taught.drawn) else "after it, other pictures are drawn"


def examine(check: Callable[[ContractChecks], str | None], contract: ContractChecks) -> str | None:
    """What a check finds wrong, an error of the method included; None if nothing is."""
    try:
        return check(contract)
    except Exception as error:  # a method may break in any way, and the other checks still run
        return f"{type(error).__name__}: {error}"


CHECKS: tuple[Callable[[ContractChecks], str | None], ...] = (
    ContractChecks.finite,
    ContractChecks.effective,
    ContractChecks.reloaded,
    ContractChecks.repeatable,
    ContractChecks.contained,
    ContractChecks.isolated,
    ContractChecks.faithful,
    ContractChecks.frugal,
    ContractChecks.versatile,
    ContractChecks.discreet,
)
