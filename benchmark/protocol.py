"""The interface between the benchmark and a method: learn, generate, save, load, and the values they exchange.

This module imports nothing else of cpbench, so a plug-in can depend on it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Pictures = NDArray[np.uint8]
"""RGB pictures, uint8 in [0, 255], (n, height, width, 3)."""


@dataclass(frozen=True)
class Subject:
    """A concept as it appears in a prompt: its own name (``mallow``) and its class noun (``cat``)."""

    name: str
    noun: str


@dataclass(frozen=True)
class Prompt:
    """A prompt template with one ``{}`` per subject, in order.

    ``bare``: a subject that was learned is named without its class noun ("<mallow>", not "<mallow> cat"). A method that
    renders its prompts itself may ignore this.
    """

    text: str
    subjects: tuple[Subject, ...]
    bare: bool = False

    def render(self, phrase: Callable[[Subject], str]) -> str:
        """The prompt as text: each ``{}`` becomes ``phrase(subject)``, without the noun that ends it if ``bare``."""
        named = [(phrase(s), f" {s.noun}" if self.bare else "") for s in self.subjects]
        return self.text.format(*(words.removesuffix(noun) for words, noun in named))


class Scratch(Protocol):
    """Checkpoints inside a task. They survive the process and are deleted when the task is finished."""

    def due(self) -> bool:
        """Whether enough time has passed since the last checkpoint to write another."""
        ...

    def save(self, phase: str, tensors: Mapping[str, Any]) -> None:
        """Save torch tensors by name; they replace what was saved for this phase before."""
        ...

    def load(self, phase: str) -> Mapping[str, Any] | None:
        """The tensors last saved for this phase, on the CPU; None if there are none."""
        ...


@dataclass(frozen=True)
class Extras:
    """What a suite asks of training beyond the budget; by default nothing.

    ``views``: what updates see in place of the pictures of a task, (m, size, size, 3): mirrored and cropped ones.
    ``captions``: a prompt template for each picture that updates see. ``prior``: pictures of the class that the base
    model drew, (k, size, size, 3), whose loss counts ``prior_weight`` times. ``min_snr``: γ, the most that the
    signal-to-noise ratio of a timestep weighs; 0: it does not. ``noise_offset``: the scale of noise that all pixels of
    a channel have in common.
    """

    views: Pictures | None = None
    captions: Sequence[str] = ()
    prior: Pictures | None = None
    prior_weight: float = 1.0
    min_snr: float = 0.0
    noise_offset: float = 0.0


@dataclass(frozen=True)
class Task:
    """One concept to learn: its pictures (n, size, size, 3), the training prompt, the budget and the seed.

    ``number`` counts from 1. ``steps`` is the number of updates, ``batch`` the pictures per update. ``seed`` depends
    on the run's seed and the concepts learned so far, not on the order of execution. A method that resumes from
    ``scratch`` must end with the same bits as one that was never interrupted. ``extras``: what the suite asks for
    beyond that.
    """

    number: int
    subject: Subject
    pictures: Pictures
    prompt: str
    steps: int
    batch: int
    seed: int
    scratch: Scratch | None = None
    extras: Extras = field(default_factory=Extras)


@dataclass(frozen=True)
class Tick:
    """Progress inside a unit of work: the phase, ``step`` of ``steps``, and the loss if there is one."""

    phase: str
    step: int
    steps: int
    loss: float | None = None


Watch = Callable[[Tick], None]
"""A progress callback."""


def unwatched(_: Tick) -> None:
    """A progress callback that does nothing."""


class Method(Protocol):
    """A method that learns concepts one after another.

    Between two tasks the benchmark saves the method, builds a new object and loads it. What :meth:`save` does not
    write is lost; the bytes that it writes are reported as the method's storage cost.
    """

    def learn(self, task: Task, watch: Watch) -> dict[str, float]:
        """Learn one concept from its pictures; returns figures to log, by name."""
        ...

    def generate(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Pictures:
        """Draw one picture per pair of prompt and seed, (n, size, size, 3); a prompt has zero, one or two subjects.

        Must not change the method: one object draws all pictures of a state.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write everything that later tasks and prompts need into ``folder``, which is empty.

        A file with the same bytes as one of the state that was loaded is stored once: what only grows, such as a pool
        of adapters, is best written as a file per concept.
        """
        ...

    def load(self, folder: Path) -> None:
        """Restore the state that :meth:`save` wrote into ``folder``."""
        ...

    def trainable(self) -> int:
        """The number of parameters that are trained per task."""
        ...


@runtime_checkable
class Inspectable(Protocol):
    """A method with further figures to log. The benchmark calls it after each task, outside the measured time."""

    def inspect(self, task: Task, watch: Watch) -> dict[str, float]:
        """Figures about the state after a task, by name. Must not change the method."""
        ...


@dataclass(frozen=True)
class Question:
    """One evaluation of a diffusion classifier: the picture's index, the prompt, the timestep t, the seed of ε."""

    picture: int
    prompt: Prompt
    t: int
    seed: int


@runtime_checkable
class Explaining(Protocol):
    """A diffusion model that reports its noise-prediction error and so can classify pictures (arXiv 2303.16203)."""

    def explain(self, pictures: Pictures, questions: Sequence[Question]) -> NDArray[np.float64]:
        """Mean (ε − ε_θ(x_t, prompt))² per question, (len(questions),), with the weights of the prompt's subject.

        Must not change the method.
        """
        ...


Features = NDArray[np.float64]
"""Features of an extractor, float64, (n, d): one row per picture."""


Factory = TypeVar("Factory", bound=Callable[..., Any])


def shares_weights(factory: Factory) -> Factory:
    """Mark a factory of methods that change no tensor of the model in place; they may replace tensors.

    Such a method gets a copy of the model with the same tensors, which takes no memory. Others get a copy of their own.
    """
    factory.shares_weights = True  # type: ignore[attr-defined]
    return factory


def sharing(factory: Callable[..., Any]) -> bool:
    """Whether a factory, or the one whose arguments it binds, is marked by :func:`shares_weights`."""
    return bool(getattr(getattr(factory, "func", factory), "shares_weights", False))
