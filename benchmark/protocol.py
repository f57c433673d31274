"""What a method is to the benchmark: four verbs and the values they exchange. Imports nothing of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Pictures = NDArray[np.uint8]
"""Pictures, uint8, shape (n, height, width, 3)."""


@dataclass(frozen=True)
class Subject:
    """A concept as a prompt speaks of it: its own name and its class noun."""

    name: str
    noun: str


@dataclass(frozen=True)
class Prompt:
    """A sentence with one ``{}`` for each of its subjects, in order."""

    text: str
    subjects: tuple[Subject, ...]

    def render(self, phrase: Callable[[Subject], str]) -> str:
        """The sentence in which ``phrase`` names each subject."""
        return self.text.format(*(phrase(s) for s in self.subjects))


class Scratch(Protocol):
    """Where a method may keep checkpoints of a task under way: they outlive its process, and end with the task."""

    def due(self) -> bool:
        """Whether it is time for the next checkpoint."""
        ...

    def save(self, phase: str, tensors: Mapping[str, Any]) -> None:
        """Keep tensors (torch) in the place of those saved for this phase before."""
        ...

    def load(self, phase: str) -> Mapping[str, Any] | None:
        """What was last saved for this phase, on the CPU; None where nothing was."""
        ...


@dataclass(frozen=True)
class Task:
    """One concept to learn: its pictures (n, size, size, 3), the training prompt, the budget and the seed.

    ``number`` counts from 1. ``seed`` follows from everything that came before, never from execution order.
    A method that uses ``scratch`` must come to the same bits as one that was never interrupted.
    """

    number: int
    subject: Subject
    pictures: Pictures
    prompt: str
    steps: int
    batch: int
    seed: int
    scratch: Scratch | None = None


@dataclass(frozen=True)
class Tick:
    """Progress inside a unit: the phase, the step of how many, and the loss where there is one."""

    phase: str
    step: int
    steps: int
    loss: float | None = None


Watch = Callable[[Tick], None]


def unwatched(_: Tick) -> None:
    """A watcher that looks away."""


class Method(Protocol):
    """A way to learn concepts one after another. Between tasks it is saved and loaded afresh.

    Whatever it needs later it must write in :meth:`save`: the bytes there are its storage cost.
    """

    def learn(self, task: Task, watch: Watch) -> dict[str, float]:
        """Learn one concept from its pictures; returns figures worth logging (name to value)."""
        ...

    def generate(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Pictures:
        """Draw one picture for each pair of prompt and seed; a prompt has one subject, two, or none."""
        ...

    def save(self, folder: Path) -> None:
        """Write everything that later tasks and prompts need into an empty folder."""
        ...

    def load(self, folder: Path) -> None:
        """Become what was saved in ``folder``."""
        ...

    def trainable(self) -> int:
        """The number of parameters that learning a task may change."""
        ...


@runtime_checkable
class Inspectable(Protocol):
    """A method that can tell more about itself; the benchmark asks after each task, outside the measured time."""

    def inspect(self, task: Task, watch: Watch) -> dict[str, float]:
        """Figures about the state after a task (name to value); changes nothing."""
        ...


@dataclass(frozen=True)
class Question:
    """How well a prompt explains a picture: its index, the prompt, the timestep t, and the seed of the noise ε."""

    picture: int
    prompt: Prompt
    t: int
    seed: int


@runtime_checkable
class Explaining(Protocol):
    """A diffusion model that can tell its own noise error, and so classify pictures (arXiv 2303.16203)."""

    def explain(self, pictures: Pictures, questions: Sequence[Question]) -> NDArray[np.float64]:
        """Mean (ε − ε_θ(x_t, prompt))² of each question, (len(questions),), under the weights of its subject."""
        ...


Features = NDArray[np.float64]
