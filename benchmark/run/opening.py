"""Loads the models of a recipe in this process: checks, facts, and a session that computes units itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

from ..hashing import digest
from ..models.backbone import Backbone
from ..models.engine import make_deterministic
from ..models.loading import EMBEDDED, load_backbone, pick_device
from ..records.stamp import numerics
from ..scoring.metrics import load_metric
from ..storage.machine import before_work
from ..storage.store import Store
from ..suite.concepts import check_suite, training_captions
from ..suite.spec import Suite
from .code import code_of_features, code_of_units
from .environment import environment, set_threads
from .events import OnEvent, Preparing, warning
from .features import open_scorer
from .quiet import quiet_libraries
from .runner import Runner
from .scheduler import Workers
from .session import Facts, Recipe, Session
from .vocabulary import check_words
from .worker import Here

T = TypeVar("T")


@dataclass
class Opened(Session):
    """A session whose models are in this process."""

    runner: Runner

    def ask(self, question: Callable[[Opened, OnEvent], T], on_event: OnEvent) -> T:
        """Call the function here."""
        return question(self, on_event)

    @contextmanager
    def workers(self, jobs: int) -> Iterator[Workers]:
        """This process, whatever ``jobs``."""
        with quiet_libraries():
            yield Here(self.runner)


def load(recipe: Recipe, warn: Callable[[str], None], remark: Callable[[str], None] = lambda _: None) -> Opened:
    """Check the pictures of a suite, then load everything that its units need, in this process.

    ``remark`` is called with a sentence per thing that a person should know of pictures and nouns.
    """
    check_suite(recipe.suite, remark)
    for metric in recipe.profile.metrics:
        load_metric(metric)
    device = pick_device(recipe.device)
    set_threads(recipe.threads or 1)
    if recipe.engine.deterministic:
        make_deterministic()
    model = load_backbone(
        recipe.backbone, recipe.suite.sampling, str(device), recipe.dtype, engine=recipe.engine, home=recipe.home
    )
    model.check_size()
    _check_prompts(recipe.suite, model)
    check_words(recipe.suite, model, remark)
    _check_profile(recipe, remark)
    stamp, code = environment(device), code_of_units(recipe.profile)
    if recipe.backbone not in EMBEDDED:  # whose autoencoder takes no time
        model.keep_latents(recipe.home / "features", digest([model.weights, numerics(stamp), code["train"]]))
    scorer, keys = open_scorer(recipe.suite, recipe.profile, model, recipe.home / "features", code_of_features())
    facts = Facts(model.name, model.weights, keys, device.type, _gpus(recipe, device), stamp, numerics(stamp), code)
    store = Store(recipe.home / "units", warn)
    return Opened(recipe, facts, store, warn, Runner(recipe.suite, store, model, scorer, facts.made_on, code))


def open_session(recipe: Recipe, on_event: OnEvent) -> Opened:
    """Load what a recipe asks for, without output of the libraries, and report that it takes a while."""
    on_event(Preparing("loading the model"))
    with quiet_libraries(), before_work(recipe.home):
        return load(recipe, warning(on_event), warning(on_event))


def _gpus(recipe: Recipe, device: torch.device) -> int:
    """How many GPUs processes may share: all, unless the recipe names one; 0 on other devices."""
    if device.type != "cuda":
        return 0
    return torch.cuda.device_count() if recipe.device in ("auto", "cuda") else 1


def _check_profile(recipe: Recipe, remark: Callable[[str], None]) -> None:
    """Call ``remark`` where prompts and photographs would be compared by a model that has seen no photograph."""
    if recipe.profile.aligner == "toybox-clip" and any(c.folder is not None for c in recipe.suite.concepts):
        remark(
            f"profile {recipe.profile.name} compares prompts with pictures by a model of the toybox world, which has "
            "seen no photograph: its text_align says nothing of yours. 'profile: offline' leaves it out, and "
            "'cpbench list profiles' names those that read photographs, after a download."
        )


def _check_prompts(suite: Suite, model: Backbone) -> None:
    """Raise BadInput for a prompt that, with tokens and the longest noun, is too long for the text encoder."""
    longest = [max({c.noun for c in suite.concepts}, key=r.count) for r in model.readers]
    prompts, captions = suite.prompts, [text for c in suite.concepts for text in training_captions(suite, c)]
    plain = (*prompts.prior, suite.sampling.negative or "")
    for n, texts in enumerate((plain, (prompts.train, *captions, *prompts.evaluation), prompts.pairs)):
        model.check_prompts([text.format(*[noun] * n) for text in texts for noun in longest], spare=n)
