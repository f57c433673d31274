"""The content-addressed chain of units: what a run needs, and what runs share.

A trained state depends only on what came before it: key_0 = H(code, budget, backbone, method with all options, seed),
key_i = H(key_{i-1}, content of concept i, its random stream). Orders with a common prefix share its training; pictures
and scores have keys of their own, so that a new metric trains nothing. Every key contains a digest of the code that
decides the unit's numbers (:mod:`..sources`), so that numbers of other code are never found.

Random streams follow from the run's seed and the concepts learned so far, never from method, options or order of
execution: at the same update, all methods and settings see the same pictures, t and ε (common random numbers).
Comparisons by order and seed are therefore paired.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from ..hashing import digest
from ..records.result import Run
from ..scoring.profiles import CLASSIFIED, Profile
from ..suite.concepts import content_hash, reference_hash
from ..suite.spec import Concept, Suite
from .choices import Choice
from .protocols import TUNING, drawn_for, looked_at, measured, pairs_of
from .units import Classify, Draw, Measure, PlannedCell, Real, RunPlan, Train, with_method

_T = TypeVar("_T")


@dataclass(frozen=True)
class Planner:
    """Makes the plans of runs, from what all runs of a sweep have in common.

    ``protocol``: see :mod:`.protocols`; ``film``: every state is glimpsed. ``device`` and ``threads`` are those of the
    models; ``seen_on`` of the extractors, where pictures are scored elsewhere. ``code``: digests of the code by kind of
    unit: train, draw, real, measure and classify.
    """

    suite: Suite
    profile: Profile
    backbone: str
    weights: str
    device: str
    dtype: str
    extractors: Mapping[str, str]
    protocol: str = "final"
    threads: int = 1
    code: Mapping[str, str] = field(kw_only=True)
    film: bool = False
    seen_on: tuple[str, int] | None = None
    engine: Mapping[str, Any] = field(default_factory=dict)
    known: dict[Any, Any] = field(default_factory=dict, repr=False)

    def _once(self, key: Hashable, make: Callable[[], _T]) -> _T:
        """The object for a key, made once: runs of a sweep have most of their units in common."""
        if key not in self.known:
            self.known[key] = make()
        found: _T = self.known[key]
        return found

    def run(self, method: Choice, order: tuple[int, ...], seed: int) -> RunPlan:
        """The plan of one method on one order of the suite's concepts with one seed."""
        concepts = [self.suite.concepts[k] for k in order]
        trains = self.trains(method, order, seed) if method.make else ()
        states: list[str | None] = [None, *(t.key for t in trains)] if trains else [None] * (len(concepts) + 1)
        cells = (*self._cells(method, concepts, states, seed), *self._others(method, concepts, states, seed))
        held = [(c,) for c in concepts] + [pair for pair, _ in pairs_of(self.suite, concepts, self.protocol)]
        reals = tuple(self._real(who) for who in held if len(who) == 1 or all(c.toybox is not None for c in who))
        ceilings = tuple(self._measure(r.key, r.subjects, real=True) for r in reals)
        asked = not CLASSIFIED.isdisjoint(self.profile.metrics) and self.protocol not in TUNING
        watched = sorted({0} | looked_at(self.protocol, len(concepts))) if asked else []
        classified = {i: self._classify(method, concepts, i, states[i]) for i in watched}
        code = {**self.code, "method": method.code} if method.make else dict(self.code)
        run = self._record(method, concepts, seed)
        return RunPlan(run, trains, cells, reals, ceilings, classified, code)

    def trains(self, method: Choice, order: tuple[int, ...], seed: int) -> tuple[Train, ...]:
        """The chain of trained states of one method on one order with one seed."""
        model = [self._model(None), method.name, dict(method.options), seed]
        code = self._code("train", method)
        key, stream, parent, trains = digest([code, self._budget, model]), digest(seed), None, []
        for number, concept in enumerate((self.suite.concepts[k] for k in order), 1):
            stream = self._link(stream, self._content(concept))
            own, prior = int(stream, 16) % 2**31, self._prior(method, concept, seed)
            key = self._link(key, self._content(concept), own, *([prior.key] if prior else []))
            trains.append(Train(key, method, concept, number, parent, own, code, prior))
            parent = key
        return tuple(trains)

    def _cells(
        self, method: Choice, concepts: list[Concept], states: list[str | None], seed: int
    ) -> Iterator[PlannedCell]:
        """The matrix: each concept after each task that the protocol measures, and glimpses of other learned ones."""
        last, learned = len(concepts), dict[int, str]()
        watched = looked_at(self.protocol, last, film=self.film)
        for i, state in enumerate(states):
            places = measured(self.protocol, i, last)
            for j in places:
                who = (concepts[j - 1],)
                draw = self._draw(method, who, i, state, seed)
                learned |= {j: draw.key} if i == j else {}
                before = learned.get(j) if i > j and state else None
                yield PlannedCell(i, j, who, draw, self._measure(draw.key, who, before=before))
            if i in watched and (others := [j for j in range(1, i + 1) if j not in places]):
                seen = tuple(concepts[j - 1] for j in others)
                at_once = self._draw(method, seen, i, state, seed, each=True) if state else None
                for j, concept in zip(others, seen, strict=True):  # the base model is the same after every task
                    yield PlannedCell(i, j, (concept,), at_once or self._draw(method, (concept,), 0, None, seed), None)

    def _others(
        self, method: Choice, concepts: list[Concept], states: list[str | None], seed: int
    ) -> Iterator[PlannedCell]:
        """The prior, against the base model's pictures of the same prompts and noises, and pairs of concepts."""
        if self.protocol in TUNING:
            return
        reference = self._draw(method, (), 0, None, seed).key
        last = len(concepts)
        for i in range(last + 1) if self.protocol == "full" else (0, last):
            if self.suite.prompts.prior:
                draw = self._draw(method, (), i, states[i], seed)
                yield PlannedCell(i, 0, (), draw, self._measure(draw.key, (), before=reference) if i else None)
            for pair, j in pairs_of(self.suite, concepts, self.protocol):
                if i == 0 or i >= j:
                    draw = self._draw(method, pair, i, states[i], seed)
                    yield PlannedCell(i, j, pair, draw, self._measure(draw.key, pair))

    def _content(self, concept: Concept) -> str:
        return self._once(("content", concept.name), lambda: content_hash(self.suite, concept))

    def _compared(self, concept: Concept) -> str:
        return self._once(("compared", concept.name), lambda: reference_hash(self.suite, concept))

    @cached_property
    def _budget(self) -> list[Any]:
        return [self.suite.training.model_dump(), self.suite.prompts.train, self.suite.sampling.size]

    @cached_property
    def _sampling(self) -> Mapping[bool, dict[str, Any]]:
        """Of trained states, and of the base model, which has no change that could be weaker or stronger."""
        own = self.suite.sampling
        return {True: own.model_dump(), False: own.model_copy(update={"strength": 1.0}).model_dump()}

    @cached_property
    def _scoring(self) -> list[Any]:
        """How pictures are scored; where real ones pass through the model's autoencoder, it is part of that."""
        codec = [self.weights, self.suite.sampling.batch] if self.profile.autoencoded else None
        extractors = [dict(self.extractors), self.seen_on or (self.device, self.threads)]
        profile = {name: value for name, value in asdict(self.profile).items() if name != "sentence"}
        return [self.suite.evaluation.model_dump(exclude={"per_pair"}), profile, extractors, codec]  # as it is in Draw

    @cached_property
    def suite_hash(self) -> str:
        """The hash of the suite and of the pictures in its folders: other pictures make another suite."""
        folders = [self._compared(c) for c in self.suite.concepts if c.folder is not None]
        return digest([self.suite.hash, folders]) if folders else self.suite.hash

    def _code(self, kind: str, method: Choice | None = None) -> str:
        """A digest of the code that decides a unit, which is also that of a method where one takes part."""
        own = self.code[kind]
        return own if method is None else self._once((kind, method.code), lambda: with_method(own, method.code))

    def _link(self, before: str, *content: str | int) -> str:
        return self._once(("link", before, content), lambda: digest([before, *content]))

    def _draw(
        self,
        method: Choice,
        who: tuple[Concept, ...],
        i: int,
        state: str | None,
        seed: int,
        *,
        each: bool = False,
        instead: tuple[tuple[str, ...], int] | None = None,
    ) -> Draw:
        """Pictures of a concept, of a pair, or of none; ``each``: glimpses of several; ``instead``: prompts, number."""
        prompts, count = instead or drawn_for(self.suite, len(who), each=each)
        names, trained = tuple((c.name, c.noun) for c in who), method if state else None

        def make() -> Draw:
            code = self._code("draw", trained)
            what = ["glimpses" if each else "draw", self._model(state), names, prompts, count]
            key = digest([code, *what, self._sampling[state is not None], seed])
            return Draw(key, trained, who, i if state else 0, state, prompts, count, seed, code, each)

        return self._once(("draw", state, names, seed, each, instead), make)

    def _prior(self, method: Choice, concept: Concept, seed: int) -> Draw | None:
        """Pictures of the class of a concept by the base model, under the training prompt."""
        if (asked := self.suite.training.prior) is None:
            return None
        return self._draw(method, (concept,), 0, None, seed, instead=((self.suite.prompts.train,), asked.pictures))

    def _model(self, state: str | None) -> Any:
        """What identifies a model in a key: its trained state, or the base model with its device."""
        return state or [self.weights, self.dtype, self.device, self.threads, *([self.engine] if self.engine else [])]

    def _real(self, who: tuple[Concept, ...]) -> Real:
        code, contents = self._code("real"), [self._compared(c) for c in who]
        what = contents[0] if len(who) == 1 else contents
        return Real(digest([code, "real", what, self.suite.evaluation.references]), who, code)

    def _measure(
        self, pictures: str, who: tuple[Concept, ...], *, real: bool = False, before: str | None = None
    ) -> Measure:
        def make() -> Measure:
            code = self._code("measure")
            inputs = [code, "score", pictures, before, [self._compared(c) for c in who], *self._scoring]
            return Measure(digest(inputs), pictures, who, real, before, code)

        return self._once(("score", pictures, before, tuple(c.name for c in who)), make)

    def _classify(self, method: Choice, concepts: list[Concept], i: int, state: str | None) -> Classify:
        """Classify among the concepts learned so far; the base model, among all, by their nouns, whatever the order."""
        names = {c.name for c in concepts}
        among = tuple(concepts[:i] if state else (c for c in self.suite.concepts if c.name in names))

        def make() -> Classify:
            who = [[c.name, c.noun, self._compared(c)] for c in among]
            asked = [self.suite.prompts.train, self.suite.evaluation.references]
            code = self._code("classify", trained := method if state else None)
            sampling, forms = self._sampling[state is not None], ["with noun", "bare"] if state else ["with noun"]
            drawn = [sampling["size"], sampling["batch"], forms, *(v for k, v in sampling.items() if k == "strength")]
            key = digest([code, "classify", self._model(state), who, *asked, *drawn])
            return Classify(key, trained, among, i if state else 0, state, code)

        return self._once(("classify", state, frozenset(c.name for c in among)), make)

    def _record(self, method: Choice, concepts: list[Concept], seed: int) -> Run:
        suite = self.suite
        return Run(
            suite=suite.name,
            suite_version=suite.version,
            suite_hash=self.suite_hash,
            backbone=self.backbone,
            weights=self.weights,
            method=method.name,
            options=dict(method.options),
            order=[c.name for c in concepts],
            seed=seed,
            protocol="full" if self.protocol == "full" else "final",
            profile=self.profile.name,
            extractors=dict(self.extractors),
            device=self.device,
            dtype=self.dtype,
            strength=suite.sampling.strength if method.make else 1.0,
        )
