"""The units of work. Each is computed once and stored under a key, which is a hash of all of its inputs.

``code`` of a unit is a digest of the code that decides its numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..hashing import digest
from ..records.result import Run
from ..suite.concepts import label_of
from ..suite.spec import Concept
from ..wording import counted
from .choices import Choice


@dataclass(frozen=True)
class Train:
    """Training: learn ``concept`` as task ``number``, starting from the state with the key ``parent``.

    ``prior``: pictures of its class that the base model draws first, if the suite asks for some.
    """

    key: str
    method: Choice
    concept: Concept
    number: int
    parent: str | None
    seed: int
    code: str
    prior: Draw | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys that must be there first."""
        return tuple(key for key in (self.parent, self.prior and self.prior.key) if key)

    @property
    def title(self) -> str:
        """The unit in a few words."""
        return f"{self.method.name}: learn {self.concept.name} (task {self.number})"


@dataclass(frozen=True)
class Draw:
    """Sampling: draw pictures of ``subjects`` (one, a pair, or none) with the model in ``state``, or the base model.

    ``prompts`` and ``per_prompt`` are those of the suite for a measured cell, and fewer for glimpses, which are shown
    but not measured: ``each`` of any number of subjects is then drawn by itself, into a folder with its name.
    """

    key: str
    method: Choice | None
    subjects: tuple[Concept, ...]
    number: int
    state: str | None
    prompts: tuple[str, ...]
    per_prompt: int
    seed: int
    code: str
    each: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys that must be there first."""
        return (self.state,) if self.state else ()

    @property
    def groups(self) -> tuple[tuple[Concept, ...], ...]:
        """The subjects of each kind of picture."""
        return tuple((subject,) for subject in self.subjects) if self.each else (self.subjects,)

    @property
    def pictures(self) -> int:
        """How many pictures it draws."""
        return len(self.groups) * len(self.prompts) * self.per_prompt

    @property
    def title(self) -> str:
        """The unit in a few words."""
        who = self.method.name if self.method else "base"
        what = f"glimpses of {counted(len(self.subjects), 'concept')}" if self.each else label_of(self.subjects)
        return f"{who}: draw {what} after task {self.number}"


@dataclass(frozen=True)
class Real:
    """Real held-out pictures of ``subjects``, for ceilings and for sample sheets."""

    key: str
    subjects: tuple[Concept, ...]
    code: str
    needs: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The unit in a few words."""
        return f"real pictures of {label_of(self.subjects)}"


@dataclass(frozen=True)
class Measure:
    """Scoring: score the unit ``pictures`` as pictures of ``subjects``; drift is measured against ``before``."""

    key: str
    pictures: str
    subjects: tuple[Concept, ...]
    real: bool
    before: str | None
    code: str

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys that must be there first."""
        return (self.pictures, self.before) if self.before else (self.pictures,)

    @property
    def title(self) -> str:
        """The unit in a few words."""
        return f"score {label_of(self.subjects)}"


@dataclass(frozen=True)
class Classify:
    """Classification of real pictures among ``concepts`` by the model in ``state``; the base model uses their nouns."""

    key: str
    method: Choice | None
    concepts: tuple[Concept, ...]
    number: int
    state: str | None
    code: str

    @property
    def bare(self) -> tuple[bool, ...]:
        """The forms of its prompts: of learned concepts also without the class noun (:class:`..protocol.Prompt`)."""
        return (False, True) if self.state else (False,)

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys that must be there first."""
        return (self.state,) if self.state else ()

    @property
    def title(self) -> str:
        """The unit in a few words."""
        who = self.method.name if self.method else "base"
        return f"{who}: classify real pictures after task {self.number}"


Unit = Train | Draw | Real | Measure | Classify

Kind = tuple[str, str]
"""The kind of a unit, and the method that trains in it (empty for other kinds)."""


def kind_of(unit: Unit) -> Kind:
    """The kind of a unit; training units are distinguished by method, since their costs differ most."""
    return type(unit).__name__, unit.method.name if isinstance(unit, Train) else ""


@dataclass(frozen=True)
class PlannedCell:
    """A cell of the matrix: pictures after ``i`` tasks, of the concept at place ``j`` in the order; 0 for the prior.

    For a pair, ``j`` is the place of the later concept. ``measure`` is None for a glimpse, which is not measured.
    """

    i: int
    j: int
    subjects: tuple[Concept, ...]
    draw: Draw
    measure: Measure | None

    @property
    def place(self) -> str:
        """Where its pictures are in the store: a key, with a folder inside the unit for a glimpse."""
        return f"{self.draw.key}/{label_of(self.subjects)}" if self.draw.each else self.draw.key


@dataclass(frozen=True)
class RunPlan:
    """One run, the units that its record consists of, and digests of the code of these by kind, and of the method."""

    run: Run
    trains: tuple[Train, ...]
    cells: tuple[PlannedCell, ...]
    reals: tuple[Real, ...]
    ceilings: tuple[Measure, ...]
    classified: Mapping[int, Classify]
    """By the number of tasks after which real pictures are classified."""
    code: Mapping[str, str]

    def units(self) -> Iterable[Unit]:
        """All units in an order in which they can be computed: floors and ceilings first, then task by task."""
        for i in range(len(self.run.order) + 1):
            yield from self.units_at(i)

    def units_at(self, i: int) -> Iterator[Unit]:
        """The units after ``i`` tasks; with 0 those of the base model and of real pictures, which methods share."""
        if i == 0:
            yield from self.reals
            yield from self.ceilings
        for train in (t for t in self.trains if t.number == i):
            yield from (train.prior, train) if train.prior else (train,)
        for cell in (x for x in self.cells if x.i == i):
            yield from (u for u in (cell.draw, cell.measure) if u is not None)
        if i in self.classified:
            yield self.classified[i]


def with_method(code: str, method: str) -> str:
    """A digest of the code of units in which a method takes part: their own code, and that of the method."""
    return digest([code, method])


def gather(plans: Iterable[RunPlan]) -> dict[str, Unit]:
    """The units of all runs by key, without repetition, in an order in which they can be computed."""
    return {unit.key: unit for plan in plans for unit in plan.units()}
