"""One suite on one backbone, loaded once per process: plans, computes and records runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..models.backbone import Backbone
from ..models.loading import load_backbone, pick_device
from ..numbers import THREADS
from ..plan.choices import Choice
from ..plan.costs import Costs, costs
from ..plan.planner import Planner
from ..plan.units import RunPlan, Unit, gather
from ..records.stamp import numerics
from ..scoring.metrics import load_metric
from ..scoring.profiles import Profile
from ..storage.machine import before_work
from ..storage.store import Store
from ..suite.concepts import check_suite
from ..suite.spec import Suite
from .code import code_of_features, code_of_units
from .environment import environment, set_threads
from .events import OnEvent, Preparing, warning
from .features import open_scorer
from .quiet import quiet_libraries
from .recorder import Recorder
from .runner import Runner
from .vocabulary import check_words


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

    def __post_init__(self) -> None:
        """Raise BadInput for more threads than a machine can start."""
        if self.threads is not None:
            THREADS.check("--threads", self.threads)

    def open(self, warn: Callable[[str], None], remark: Callable[[str], None] = lambda _: None) -> Session:
        """Check the pictures of the suite, then load everything that its units need.

        ``remark`` is called with a sentence per thing that a person should know of pictures and nouns.
        """
        check_suite(self.suite, remark)
        for metric in self.profile.metrics:
            load_metric(metric)
        device = pick_device(self.device)
        set_threads(self.threads or 1)
        model = load_backbone(self.backbone, self.suite.sampling, str(device), self.dtype)
        model.check_size()
        _check_prompts(self.suite, model)
        check_words(self.suite, model, remark)
        scorer, keys = open_scorer(self.suite, self.profile, model, self.home / "features", code_of_features())
        store = Store(self.home / "units", warn)
        stamp = environment(device)
        runner = Runner(self.suite, store, model, scorer, numerics(stamp), code_of_units(self.profile))
        return Session(self, runner, keys, device, stamp, warn)


@dataclass
class Session:
    """Loaded models, a store, and what plans and records need from both."""

    recipe: Recipe
    runner: Runner
    extractors: dict[str, str]
    device: torch.device
    environment: Mapping[str, Any]
    warn: Callable[[str], None]

    @property
    def suite(self) -> Suite:
        """The suite."""
        return self.recipe.suite

    @property
    def store(self) -> Store:
        """The store of units."""
        return self.runner.store

    @property
    def code(self) -> Mapping[str, str]:
        """Digests of the code of this process by kind of unit."""
        return self.runner.code

    def costs(self, there: set[str] | None = None) -> Costs:
        """The costs of stored units like those of this session; ``there``: the keys of the store, if already listed."""
        like = {"suite": self.suite.name, "weights": self.runner.backbone.weights}
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
        here = self.device.type, self.recipe.threads or 1
        device, threads = made_on or here
        return Planner(
            suite=self.suite,
            profile=self.recipe.profile,
            backbone=self.runner.backbone.name,
            weights=self.runner.backbone.weights,
            device=device,
            dtype=self.recipe.dtype,
            extractors=self.extractors,
            protocol=protocol,
            threads=threads,
            code=self.code if code is None else code,
            film=film,
            seen_on=here,
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
        return Recorder(self.store, out, dict(self.environment), self.warn)


def open_session(recipe: Recipe, on_event: OnEvent) -> Session:
    """Load what a recipe asks for, without output of the libraries, and report that it takes a while."""
    on_event(Preparing("loading the model"))
    with quiet_libraries(), before_work(recipe.home):
        return recipe.open(warning(on_event), warning(on_event))


def _check_prompts(suite: Suite, model: Backbone) -> None:
    """Raise BadInput for a prompt that, with tokens and the longest noun, is too long for the text encoder."""
    noun = max((c.noun for c in suite.concepts), key=lambda noun: len(model.tokenizer(noun).input_ids))
    prompts = suite.prompts
    for n, texts in enumerate((prompts.prior, (prompts.train, *prompts.evaluation), prompts.pairs)):
        model.check_prompts([text.format(*[noun] * n) for text in texts], spare=n)
