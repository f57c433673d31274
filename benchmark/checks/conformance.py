"""The contract of every method, checked on a tiny model with random weights: what it must do, and must not do.

``cpbench conformance NAME`` checks it for any method, those of other packages included.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from ..errors import Faulty
from ..models.loading import load_backbone
from ..owners import Owner, raised_at, summary, top_level
from ..protocol import Explaining, Inspectable, Prompt, unwatched
from .contract import CheckedFactory
from .lessons import (
    PROMPTS,
    QUESTIONS,
    ROUNDING,
    SAMPLING,
    SUBJECTS,
    Lesson,
    Make,
    Taught,
    disorder,
    draw,
    draw_loaded,
    hash_of,
    lesson,
    small_task,
    teach,
)
from .retained import holds_pictures


class ContractChecks:
    """The checks of one method on a ``model``, as ``--backbone`` names it; what several checks need is done once."""

    def __init__(
        self,
        make: Make,
        folder: Path,
        elsewhere: Executor | None = None,
        owner: Owner | None = None,
        model: str = "tiny",
    ) -> None:
        self.make, self.folder, self.elsewhere, self.model = make, folder, elsewhere, model
        self.owner = owner or Owner("method", "it", module=top_level(getattr(make, "__module__", "")))
        self.pristine = load_backbone(model, SAMPLING)
        self.before = hash_of(self.pristine)

    @cached_property
    def taught(self) -> Taught:
        """Taught as the runner does."""
        return teach(self.make, self.pristine, self.folder / "first")

    @cached_property
    def lesson(self) -> Lesson | Faulty:
        """Taught once more, checked at every call, with the pictures of past tasks blackened; or what was wrong."""
        try:
            return lesson(CheckedFactory(self.make, self.owner, SAMPLING.size), self.pristine, self.folder / "second")
        except Faulty as error:
            return error

    @cached_property
    def again(self) -> Taught:
        """Taught once more, with the pictures of past tasks blackened."""
        if isinstance(self.lesson, Lesson):
            return self.lesson.taught
        return teach(self.make, self.pristine, self.folder / "third", spoil=True)

    def _sound(self) -> Lesson:
        if isinstance(self.lesson, Faulty):
            raise Faulty("not checked, since its calls break the contract")
        return self.lesson

    # --- checks: each returns what is wrong, or None ----------------------------------------------------------------

    def finite(self) -> str | None:
        """After two tasks, all numbers that it saves are finite."""
        for file in self.taught.folders[-1].rglob("*.safetensors"):
            if bad := [name for name, w in load_file(file).items() if not torch.isfinite(w).all()]:
                return f"{file.name} has numbers that are not finite: {', '.join(bad)}"
        return None

    def effective(self) -> str | None:
        """Learning changes the pictures that it draws, and its adapter the prediction for the same text."""
        base = self.pristine.sample([p.render(lambda s: s.noun) for p in PROMPTS], [1, 2])
        most = np.abs(base.astype(int) - self.taught.drawn).max()
        if most <= ROUNDING:
            return "the pictures are those of the base model"
        adapted = getattr(getattr(self.taught.method, "adapter", None), "params", {})
        return "its adapter changes nothing" if adapted and self._predicts_as_before() else None

    @torch.no_grad()
    def _predicts_as_before(self) -> bool:
        """Whether the network predicts the same ε as the base model, to the last bit, for the same text."""
        z, t = self.pristine.encode(small_task(1, SUBJECTS[0]).pictures), torch.tensor([500, 500])
        text = self.pristine.embed(["photo of a cat"] * len(z))
        first, second = (model.predict(z, t, text) for model in (self.pristine, self.taught.backbone))
        return torch.equal(first, second)

    def reloaded(self) -> str | None:
        """Saved and loaded, it draws the same pictures, in a new process too."""
        folder = self.taught.folders[-1]
        here = draw_loaded(self.make, folder, self.model)
        threads = (torch.get_num_threads(),)  # another number would round otherwise
        pool = self.elsewhere or ProcessPoolExecutor(1, get_context("spawn"), torch.set_num_threads, threads)
        there = pool.submit(draw_loaded, self.make, folder, self.model).result()
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
        return None if hash_of(self.pristine) == self.before else "the original model has changed"

    def faithful(self) -> str | None:
        """Tokens of earlier tasks stay the same to the last bit."""
        early = self.make(mine := self.pristine.copy(), 7)
        early.load(self.taught.folders[0])
        now = self.taught.backbone.tokens
        lost = [name for name, rows in mine.tokens.items() if not all(map(torch.equal, rows, now.get(name, ())))]
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
        """Neither drawing nor explaining nor an inspection changes what it draws."""
        method, task = self.taught.method, small_task(2, SUBJECTS[1])
        if not np.array_equal(draw(method), self.taught.drawn):
            return "when it draws a second time, it draws other pictures"
        if isinstance(method, Explaining):
            method.explain(task.pictures, QUESTIONS)
            if not np.array_equal(draw(method), self.taught.drawn):
                return "after it explained pictures, it draws other pictures"
        if isinstance(method, Inspectable):
            method.inspect(task, unwatched)
        return None if np.array_equal(draw(method), self.taught.drawn) else "after an inspection, it draws others"

    def lawful(self) -> str | None:
        """What it returns and saves has the types, sizes and finite values that the contract asks for."""
        return str(self.lesson) if isinstance(self.lesson, Faulty) else None

    def orderly(self) -> str | None:
        """It reports its progress in steps that do not fall, or not at all."""
        return disorder(self._sound().ticks)

    def seeded(self) -> str | None:
        """It draws another picture for another seed, and the same alone and among others, up to rounding."""
        found = self._sound()
        first, other, _ = found.batch.astype(int)
        if np.abs(first - other).max() <= ROUNDING:
            return "with another seed it draws the same picture"
        off = np.abs(first - found.alone[0]).max()
        return f"alone and among others, a picture differs by {off} of 255" if off > ROUNDING else None

    def untouched(self) -> str | None:
        """It leaves the global random states as they were."""
        changed = self._sound().random
        return f"it changes the global random state of {' and '.join(changed)}" if changed else None


def examine(check: Callable[[ContractChecks], str | None], contract: ContractChecks) -> str | None:
    """What a check finds wrong, an error of the method with its place included; None if nothing is."""
    try:
        return check(contract)
    except Faulty as error:
        return str(error)
    except (Exception, SystemExit) as error:  # a method may break in any way, and the other checks still run
        return f"{summary(error)}, raised at {raised_at(error, contract.owner)}"


CHECKS: tuple[Callable[[ContractChecks], str | None], ...] = (
    ContractChecks.lawful,
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
    ContractChecks.orderly,
    ContractChecks.seeded,
    ContractChecks.untouched,
)
