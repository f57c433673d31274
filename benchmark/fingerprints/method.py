"""The fingerprint of a method: it learns, is saved and loaded, draws and classifies, on every kind of model."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..models.latent import LatentModel
from ..plan.choices import Choice
from ..plan.units import RunPlan, Unit
from ..protocol import unwatched
from ..run.runner import Runner
from ..scoring.profiles import PROFILES
from ..scoring.scorer import Scorer
from ..storage.store import Store
from ..suite.concepts import label_of
from ..suite.spec import Suite
from .listening import hear_model, listened_to
from .models import KINDS, model_of, planner_of, suite_of
from .quantities import Book


def write_options(options: Mapping[str, Any], book: Book) -> None:
    """Write down the value of every option."""
    for section, values in sorted(options.items()):
        for name, value in sorted(values.items()) if isinstance(values, Mapping) else [("", values)]:
            book.text(f"options/{section}.{name}".rstrip("."), value)


def write_method(usual: Choice, short: Choice, book: Book) -> None:
    """Write down the options of a method (``usual``), and what it computes with few updates (``short``)."""
    write_options({k: v for k, v in usual.options.items() if k != "package"}, book)
    for kind in KINDS:
        write_run(short, kind, book)


def write_run(choice: Choice, kind: str, book: Book) -> None:
    """Write down what a method computes on one kind of model."""
    with book.at(kind), tempfile.TemporaryDirectory() as folder:
        _run(choice, kind, Path(folder), book)


def _run(choice: Choice, kind: str, folder: Path, book: Book) -> None:
    suite, method = suite_of(kind), listened_to(choice, book)
    runner = _runner(suite, kind, folder)
    if choice.make is None and isinstance(runner.backbone, LatentModel):
        hear_model(runner.backbone, book)
    plan = planner_of(suite).run(method, tuple(range(len(suite.concepts))), seed=0)
    for place, unit in _units(plan, kind):
        with book.at(place):
            runner.loaded.drop()  # what is heard of a unit does not depend on those before
            where = runner.do(unit, unwatched)
            measured = runner.store.meta(unit.key)["measured"]
            if "trainable_parameters" in measured:
                book.text("trainable", measured["trainable_parameters"])
                book.text("files", sorted(f.name for f in (where / "state").iterdir()))


def _runner(suite: Suite, kind: str, folder: Path) -> Runner:
    scorer = Scorer(suite, PROFILES["toybox"], {}, None)
    return Runner(suite, Store(folder, lambda text: None), model_of(kind, suite.sampling), scorer)


def _units(plan: RunPlan, kind: str) -> Iterator[tuple[str, Unit]]:
    """All tasks, then what the last model draws of the first concept.

    The first kind of model also draws the last concept and a pair, and classifies.
    """
    last = len(plan.run.order)
    for train in plan.trains:
        yield f"task {train.number}", train
    drawn = {cell.subjects: cell.draw for cell in plan.cells if cell.i == last}
    concepts, pairs = ([draw for who, draw in drawn.items() if len(who) == n] for n in (1, 2))
    for draw in (concepts[0], concepts[-1], pairs[0]) if kind == KINDS[0] else (concepts[0],):
        yield f"draw {label_of(draw.subjects)}", draw
    if kind == KINDS[0]:
        yield "classify", plan.classified[last]
