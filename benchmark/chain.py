"""The content-addressed chain of units: what there is to do for a sweep, and what is shared.

A trained state depends only on what came before it: key_0 = H(budget, backbone, method with all options, seed),
key_i = H(key_{i-1}, content of concept i). Orders that share a prefix share its training; pictures and scores
have keys of their own, so a new metric trains nothing.

Random streams follow from the run's seed and the concepts learned so far, never from method, options or order of
execution: methods and settings see the same pictures, t and ε at the same update (common random numbers), so what is
compared by order and seed is a paired difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from . import data
from .protocol import Method
from .results import Run
from .spec import Concept, Suite, digest

REVISION = 3  # raised with every change of code that moves a number: old units are then not found any more


class Choice(Protocol):
    """A method as the registry hands it over; ``make`` is None for the base model, which never learns."""

    @property
    def name(self) -> str:
        """Its name in the catalogue or among the plug-ins."""
        ...

    @property
    def options(self) -> Mapping[str, Any]:
        """All options after defaults, as plain data."""
        ...

    @property
    def make(self) -> Callable[[Any, int], Method] | None:
        """The factory: (backbone of its own, seed) to a method."""
        ...


@dataclass(frozen=True)
class Train:
    """Learn ``concept`` as task ``number``, on top of the state ``parent``."""

    key: str
    method: Choice
    concept: Concept
    number: int
    parent: str | None
    seed: int

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys that must be there first."""
        return (self.parent,) if self.parent else ()


@dataclass(frozen=True)
class Draw:
    """Draw pictures of ``concept`` with the model in ``state``; the base model where it is None.

    ``prompts`` and ``per_prompt`` are the suite's for a measured cell, fewer for a glimpse (shown, not measured).
    """

    key: str
    method: Choice | None
    concept: Concept
    number: int
    state: str | None
    prompts: tuple[str, ...]
    per_prompt: int
    seed: int

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys that must be there first."""
        return (self.state,) if self.state else ()


@dataclass(frozen=True)
class Real:
    """Real held-out pictures of ``concept``, for ceilings and sample sheets."""

    key: str
    concept: Concept
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measure:
    """Score the pictures in ``pictures`` as pictures of ``concept``."""

    key: str
    pictures: str
    concept: Concept
    real: bool

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys that must be there first."""
        return (self.pictures,)


Unit = Train | Draw | Real | Measure


@dataclass(frozen=True)
class RunPlan:
    """One run and the units its record is made of; cells are (i, j) as in the matrix."""

    run: Run
    trains: tuple[Train, ...]
    draws: Mapping[tuple[int, int], Draw]
    cells: Mapping[tuple[int, int], Measure]
    reals: tuple[Real, ...]
    ceilings: tuple[Measure, ...]

    def units(self) -> Iterable[Unit]:
        """All units in an order in which they can be done: task after task, floors and ceilings first."""
        yield from self.reals
        yield from self.ceilings
        for i in range(len(self.run.order) + 1):
            yield from (t for t in self.trains if t.number == i)
            for cell in (c for c in self.draws if c[0] == i):
                yield self.draws[cell]
                if cell in self.cells:
                    yield self.cells[cell]


@dataclass(frozen=True)
class Planner:
    """Makes the plan of a run; everything that all runs of a sweep have in common.

    ``protocol``: ``final`` measures i = 0, j and T; ``full`` all cells; ``end`` only i = T, for tuning.
    """

    suite: Suite
    backbone: str
    weights: str
    device: str
    dtype: str
    extractors: Mapping[str, str]
    protocol: str = "final"
    contents: dict[str, str] = field(default_factory=dict)

    def run(self, method: Choice, order: tuple[int, ...], seed: int) -> RunPlan:
        """The plan of one method on one order of the suite's concepts with one seed."""
        concepts = [self.suite.concepts[k] for k in order]
        trains = self._trains(method, concepts, seed) if method.make else ()
        draws = {
            (i, j): self._draw(method, concept, i, trains[i - 1].key if i and trains else None, seed, measured)
            for i in range(len(concepts) + 1)
            for j, concept in enumerate(concepts, 1)
            if (measured := self._measured(i, j, len(concepts))) or self._glimpsed(i, j)
        }
        cells = {c: self._measure(d.key, d.concept) for c, d in draws.items() if self._measured(*c, len(concepts))}
        reals = tuple(self._real(concept) for concept in concepts if concept.toybox is not None)
        ceilings = tuple(self._measure(r.key, r.concept, real=True) for r in reals)
        return RunPlan(self._record(method, concepts, seed), trains, draws, cells, reals, ceilings)

    def _measured(self, i: int, j: int, last: int) -> bool:
        return {"full": True, "final": i in (0, j, last), "end": i == last}[self.protocol]

    def _glimpsed(self, i: int, j: int) -> bool:
        return j <= i and self.protocol != "end"

    def _content(self, concept: Concept) -> str:
        if concept.name not in self.contents:
            self.contents[concept.name] = data.content(self.suite, concept)
        return self.contents[concept.name]

    def _trains(self, method: Choice, concepts: list[Concept], seed: int) -> tuple[Train, ...]:
        suite = self.suite
        budget = [suite.training.model_dump(), suite.prompts.train, suite.sampling.size]
        model = [self.weights, self.dtype, method.name, dict(method.options), seed]
        key, stream, parent, trains = digest([REVISION, budget, model]), digest(seed), None, []
        for number, concept in enumerate(concepts, 1):
            key, stream = (digest([start, self._content(concept)]) for start in (key, stream))
            trains.append(Train(key, method, concept, number, parent, int(stream, 16) % 2**31))
            parent = key
        return tuple(trains)

    def _draw(self, method: Choice, concept: Concept, i: int, state: str | None, seed: int, measured: bool) -> Draw:
        suite = self.suite
        prompts = suite.prompts.evaluation if measured else suite.prompts.evaluation[:2]
        count = suite.evaluation.per_prompt if measured else 1
        model = state or [self.weights, self.dtype]
        inputs = [
            REVISION,
            "draw",
            model,
            concept.name,
            concept.noun,
            prompts,
            count,
            suite.sampling.model_dump(),
            seed,
        ]
        return Draw(digest(inputs), method if state else None, concept, i, state, prompts, count, seed)

    def _real(self, concept: Concept) -> Real:
        return Real(digest([REVISION, "real", self._content(concept), self.suite.evaluation.references]), concept)

    def _measure(self, pictures: str, concept: Concept, *, real: bool = False) -> Measure:
        evaluation = self.suite.evaluation
        codec = self.weights if evaluation.autoencoded else None  # what real pictures are seen through
        how = [evaluation.model_dump(), dict(self.extractors), codec]
        inputs = [REVISION, "score", pictures, self._content(concept), *how]
        return Measure(digest(inputs), pictures, concept, real)

    def _record(self, method: Choice, concepts: list[Concept], seed: int) -> Run:
        suite = self.suite
        return Run(
            suite=suite.name,
            suite_version=suite.version,
            suite_hash=suite.hash,
            backbone=self.backbone,
            weights=self.weights,
            method=method.name,
            options=dict(method.options),
            order=[c.name for c in concepts],
            seed=seed,
            protocol="full" if self.protocol == "full" else "final",
            profile=suite.evaluation.profile,
            extractors=dict(self.extractors),
            device=self.device,
            dtype=self.dtype,
        )


def gather(plans: Iterable[RunPlan]) -> dict[str, Unit]:
    """The units of all runs by key, each once, in an order in which they can be done."""
    return {unit.key: unit for plan in plans for unit in plan.units()}
