"""What all measurements have in common: the model, a task to learn, and the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from ..errors import BadInput
from ..models.loading import load_backbone
from ..models.unet import StableDiffusion
from ..plan.choices import Choice
from ..protocol import Method, Pictures, Subject, Task
from ..suite.spec import Suite, load_suite

NOUN = "cat"
_SUITE = "toybox-2"


@dataclass
class Bench:
    """The place where everything is measured.

    ``choose`` makes a method of its name and its settings. ``beside``: the forward passes of a method in the task with
    a number, beside those of its updates.
    """

    name: str
    device: str
    repeats: int
    choose: Callable[[str, Mapping[str, str]], Choice]
    beside: Callable[[Choice, int, int], int]

    def check(self) -> None:
        """Load the model; raises BadInput where it cannot be used."""
        self.backbone.check_size()

    @cached_property
    def suite(self) -> Suite:
        """The suite whose prompts and budget are used."""
        return load_suite(_SUITE)

    @cached_property
    def backbone(self) -> StableDiffusion:
        """The model, drawing pictures of the size that it was trained on; raises BadInput for one of another kind."""
        model = load_backbone(self.name, self.suite.sampling, self.device)
        if type(model) is not StableDiffusion:
            raise BadInput(
                f"--backbone {self.name}: 'cpbench speed' measures toybox and Stable Diffusion 1.x and 2.x, whose "
                "passes are written by hand to compare with."
            )
        return model.resampled(model.sampling.model_copy(update={"size": model.native or self.suite.sampling.size}))

    @cached_property
    def pictures(self) -> Pictures:
        """Pictures to learn from: noise, since no time depends on what they show."""
        size, count = self.backbone.sampling.size, self.suite.training.pictures
        return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)

    def method(self, name: str, settings: Mapping[str, str] | None = None) -> tuple[Method, StableDiffusion]:
        """A new method, and the copy of the model that it is built into."""
        make, model = self.choose(name, settings or {}).make, self.backbone.copy()
        assert make is not None
        return make(model, 0), model

    def task(self, number: int, steps: int, batch: int) -> Task:
        """A task with a subject of its own."""
        subject = Subject(f"subject-{number}", NOUN)
        return Task(number, subject, self.pictures, self.suite.prompts.train, steps, batch, seed=number)

    def clock(self) -> float:
        """Seconds; those of the processor, which other work disturbs less, unless a device does the work."""
        kind = self.backbone.device.type
        if kind == "cpu":
            return time.process_time()
        if kind == "cuda":
            torch.cuda.synchronize(self.backbone.device)
        elif kind == "mps":
            torch.mps.synchronize()
        return time.perf_counter()
