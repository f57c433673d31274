"""Writes down what a method computes, update by update, without changing any of it.

Any method is heard at the benchmark's own interface: ticks, figures, saved states, pixels. A method with the parts of
the built-in ones (``optimise`` runs a phase with an ``objective`` and ``groups`` of parameters) is heard inside too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from ..hashing import digest
from ..models.backbone import Params
from ..models.latent import LatentModel
from ..models.text import Text
from ..plan.choices import Choice, Refitted
from ..protocol import Method, Pictures, Prompt, Question, Task, Tick, Watch
from .quantities import Book


def listened_to(choice: Choice, book: Book) -> Choice:
    """A method that writes what it computes into a book; to the benchmark, it is the method itself."""
    return Refitted(choice, _Hearing(choice.make, book) if choice.make else None)


@dataclass(frozen=True)
class _Hearing:
    """A factory whose methods are listened to."""

    make: Callable[[Any, int], Method]
    book: Book

    def __call__(self, backbone: LatentModel, seed: int) -> Method:
        hear_model(backbone, self.book)
        method: Any = self.make(backbone, seed)
        for name, wrap in (
            ("optimise", _optimise),
            ("learn", _learn),
            ("inspect", _inspect),
            ("generate", _generate),
            ("explain", _explain),
            ("save", _save),
        ):
            if hasattr(method, name):
                setattr(method, name, wrap(getattr(method, name), self.book))
        return method  # type: ignore[no-any-return]


def hear_model(backbone: LatentModel, book: Book) -> None:
    """Write down each new prompt as it is encoded, latents, pixels before they are rounded, and how far they then move.

    A pixel halfway between two grey levels may go either way, but equally far; beside 1, its way is judged in levels.
    """
    embed, decoded, decode, seen = backbone.embed, backbone.decoded, backbone.decode, set[str]()
    last: list[NDArray[np.float64]] = []

    def heard_embed(prompts: Sequence[str], params: Params | None = None) -> Text:
        if fresh := [p for p in dict.fromkeys(prompts) if p not in seen]:
            book.text("prompts", " | ".join(fresh))
        seen.update(fresh)
        return embed(prompts, params)

    def heard_decoded(latents: Tensor) -> Tensor:
        pixels = decoded(latents)
        book.vector("latents", latents)
        book.vector("pixels", pixels)
        last[:] = [pixels.permute(0, 2, 3, 1).double().numpy()]
        return pixels

    def heard_decode(latents: Tensor) -> Pictures:
        pictures = decode(latents)
        book.numbers("rounded by", float(np.abs(pictures - last.pop()).mean()), 1.0)
        return pictures

    backbone.embed, backbone.decoded, backbone.decode = heard_embed, heard_decoded, heard_decode  # type: ignore[method-assign]


def _learn(learn: Callable[..., dict[str, float]], book: Book) -> Callable[..., dict[str, float]]:
    def heard(task: Task, watch: Watch) -> dict[str, float]:
        book.text("task", [task.number, task.steps, task.batch, task.seed, task.prompt, task.subject.name])
        book.vector("pictures", task.pictures)
        figures = learn(task, _ticks(watch, book))
        book.figures(figures)
        return figures

    return heard


def _inspect(inspect: Callable[..., dict[str, float]], book: Book) -> Callable[..., dict[str, float]]:
    def heard(task: Task, watch: Watch) -> dict[str, float]:
        figures = inspect(task, _ticks(watch, book))
        book.figures(figures)
        return figures

    return heard


def _ticks(watch: Watch, book: Book) -> Watch:
    def heard(tick: Tick) -> None:
        if tick.loss is not None:
            book.numbers(f"{tick.phase}/update {tick.step}/loss", tick.loss)
        watch(tick)

    return heard


def _generate(generate: Callable[..., Pictures], book: Book) -> Callable[..., Pictures]:
    def heard(prompts: Sequence[Prompt], seeds: Sequence[int]) -> Pictures:
        book.text("seeds", list(seeds))
        return generate(prompts, seeds)

    return heard


def _explain(
    explain: Callable[..., NDArray[np.float64]], book: Book
) -> Callable[[Pictures, Sequence[Question]], NDArray[np.float64]]:
    def heard(pictures: Pictures, questions: Sequence[Question]) -> NDArray[np.float64]:
        book.text("questions", digest([[q.picture, q.t, q.seed] for q in questions]))
        found = explain(pictures, questions)
        book.vector("errors", found)
        return found

    return heard


def _save(save: Callable[[Path], None], book: Book) -> Callable[[Path], None]:
    def heard(folder: Path) -> None:
        save(folder)
        parts: dict[str, dict[str, Tensor]] = {}
        for file in sorted(folder.rglob("*.safetensors")):
            part = file.relative_to(folder).parts[0].removesuffix(file.suffix)
            parts.setdefault(part, {}).update(load_file(file))
        for part, tensors in parts.items():
            for name, group in grouped(tensors).items():
                book.vector(f"kept/{part}/{name}", *group)

    return heard


def grouped(tensors: Mapping[str, Tensor]) -> dict[str, list[Tensor]]:
    """Tensors by what they are: layers of equal kind together, apart from one another where a ``/`` or a ``.`` says."""
    groups: dict[str, list[Tensor]] = {}
    for name, tensor in sorted(tensors.items()):
        head, slash, tail = name.rpartition("/")
        past = "past." if tail.startswith("past.") else ""
        groups.setdefault(f"{head}{slash}{past}{'.'.join(tail.split('.')[-3:])}", []).append(tensor)
    return groups


def _optimise(optimise: Callable[..., dict[str, float]], book: Book) -> Callable[..., dict[str, float]]:
    def heard(task: Task, phase: Any, watch: Watch) -> dict[str, float]:
        inside = _Phase(phase, book)
        figures = optimise(task, replace(phase, objective=inside.objective), watch)
        inside.close()
        return figures

    return heard


class _Phase:
    """One run of the training loop: what each update reads, its loss, its gradient, and the change since the start."""

    def __init__(self, phase: Any, book: Book) -> None:
        self.phase, self.book, self.k = phase, book, 0
        self.start = [[p.detach().clone() for p in group["params"]] for group in phase.groups]
        with book.at(phase.name):
            book.text("phase", [phase.steps, phase.batch, len(phase.rehearsed)])
            book.numbers("rates", *(group["lr"] for group in phase.groups))
            for k, values in enumerate(self.start):
                book.vector(f"start/{k}", *values)

    def objective(self, step: Any) -> Mapping[str, Tensor]:
        """The objective of the phase; the update before is over by now."""
        self.close()
        self.k += 1
        with self.book.at(f"{self.phase.name}/update {self.k}"):
            self.book.text("t", step.t.tolist())
            self.book.vector("latents", step.latents)
            self.book.vector("noisy", step.noisy)
            terms: Mapping[str, Tensor] = self.phase.objective(step)
            for name, term in terms.items():
                self.book.numbers(f"loss.{name}", term.item())
        return terms

    def close(self) -> None:
        """Write down the gradient of the last update, and how far the parameters have moved."""
        if not self.k:
            return
        with self.book.at(f"{self.phase.name}/update {self.k}"):
            for k, group in enumerate(self.phase.groups):
                self.book.vector(f"gradient/{k}", *(p.grad for p in group["params"] if p.grad is not None))
                moved = [p.detach() - first for p, first in zip(group["params"], self.start[k], strict=True)]
                self.book.vector(f"change/{k}", *moved)
