"""One suite on one backbone: what plans and records must know of it, and the way to its models.

The models may be in this process (:mod:`.opening`) or in others (:mod:`.pool`). This module imports no torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..models.engine import PLAIN, Engine
from ..numbers import THREADS
from ..plan.choices import Choice
from ..plan.costs import Costs, costs
from ..plan.planner import Planner
from ..plan.units import RunPlan, Unit, gather
from ..scoring.profiles import Profile
from ..storage.store import Store
from ..suite.spec import Suite
from .events import OnEvent
from .recorder import Recorder
from .scheduler import Workers

T = TypeVar("T")


@dataclass(frozen=True)
class Recipe:
    """What every process of a sweep loads: plain data that is sent to other processes and machines.

    ``threads`` on the CPU: 1 by default, since their number decides the last bits of a result, and several processes
    use the cores better. Scores are computed on the CPU, wherever the model is.
    """

    suite: Suite
    home: Path
    profile: Profile
    backbone: str
    device: str = "auto"
    dtype: str = "float32"
    threads: int | None = None
    engine: Engine = PLAIN

    def __post_init__(self) -> None:
        """Raise BadInput for more threads than a machine can start."""
        if self.threads is not None:
            THREADS.check("--threads", self.threads)


@dataclass(frozen=True)
class Facts:
    """What is known of the models once they are loaded: plain data that plans, costs and records are made of.

    ``backbone``: its name; ``weights``, ``extractors``: hashes of what was loaded. ``device``: its type, ``gpus``: how
    many GPUs of that type processes may share. ``environment``: the stamp; ``made_on``: what of it decides the last
    bits of numbers. ``code``: digests of the code by kind of unit.
    """

    backbone: str
    weights: str
    extractors: Mapping[str, str]
    device: str
    gpus: int
    environment: Mapping[str, Any]
    made_on: Mapping[str, Any]
    code: Mapping[str, str]


@dataclass
class Session(ABC):
    """The facts of loaded models, a store, and what plans and records need from both."""

    recipe: Recipe
    facts: Facts
    store: Store
    warn: Callable[[str], None]

    @abstractmethod
    def ask(self, question: Callable[[Any, OnEvent], T], on_event: OnEvent) -> T:
        """What a function returns of the session that has the models, called in the process of that one.

        Raises what the function raises. Function and answer must be picklable, as other processes may be asked.
        """

    @abstractmethod
    def workers(self, jobs: int) -> AbstractContextManager[Workers]:
        """What computes units in ``jobs`` processes."""

    def rest(self) -> None:  # noqa: B027
        """Release models that are in other processes; they are loaded again when they are needed."""

    @property
    def suite(self) -> Suite:
        """The suite."""
        return self.recipe.suite

    @property
    def code(self) -> Mapping[str, str]:
        """Digests of the code by kind of unit."""
        return self.facts.code

    def costs(self, there: set[str] | None = None) -> Costs:
        """The costs of stored units like those of this session; ``there``: the keys of the store, if already listed."""
        like = {"suite": self.suite.name, "weights": self.facts.weights}
        return costs(self.store, self.store.keys() if there is None else there, like)

    def planner(
        self,
        protocol: str,
        made_on: tuple[str, int] | None = None,
        code: Mapping[str, str] | None = None,
        *,
        film: bool = False,
    ) -> Planner:
        """A planner of runs on this suite and backbone; ``film``: with glimpses after every task.

        ``made_on``: device and threads, if other than here; ``code``: digests of the code, if other than today's.
        """
        here = self.facts.device, self.recipe.threads or 1
        device, threads = made_on or here
        return Planner(
            suite=self.suite,
            profile=self.recipe.profile,
            backbone=self.facts.backbone,
            weights=self.facts.weights,
            device=device,
            dtype=self.recipe.dtype,
            extractors=self.facts.extractors,
            protocol=protocol,
            threads=threads,
            code=self.code if code is None else code,
            film=film,
            seen_on=here,
            engine=self.recipe.engine.named,
        )

    def plan(
        self, methods: Sequence[Choice], orders: Sequence[tuple[int, ...]], seeds: Sequence[int], protocol: str
    ) -> list[RunPlan]:
        """The runs of every method on every order with every seed."""
        planner = self.planner(protocol)
        return [planner.run(m, order, seed) for m in methods for order in orders for seed in seeds]

    def missing(self, plans: Sequence[RunPlan]) -> dict[str, Unit]:
        """The units of some plans that are not in the store."""
        there = self.store.keys()
        return {key: unit for key, unit in gather(plans).items() if key not in there}

    def recorder(self, out: Path) -> Recorder:
        """A recorder that writes below ``out``, with this environment as the stamp."""
        return Recorder(self.store, out, dict(self.facts.environment), self.warn)
