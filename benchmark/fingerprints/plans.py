"""The fingerprints of suites and of plans: which inputs decide the key of which unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..hashing import digest
from ..plan.grid import Grid, lengths_of, orders_of
from ..plan.planner import Planner
from ..plan.units import Measure, RunPlan
from ..scoring.profiles import PROFILES
from ..suite import concepts
from ..suite.spec import Suite, load_suite, suite_names
from .models import planner_of, suite_of
from .pattern import Chosen
from .quantities import Book

_ORDER = (1, 0, 2)


def write_suites(book: Book) -> None:
    """Write down what decides each shipped suite, and projections of pictures."""
    for name in suite_names():
        suite = load_suite(name)
        book.text(f"{name}/hash", suite.hash)
        book.text(f"{name}/concepts", [f"{c.name} {c.noun}" for c in suite.concepts])
    suite = load_suite("toybox-2").model_copy(update={"evaluation": suite_of("tiny").evaluation})
    first, last = suite.concepts[0], suite.concepts[-1]
    with book.at("pictures"):
        book.vector("training", concepts.training_pictures(suite, first))
        book.vector("reference", concepts.reference_pictures(suite, first))
        book.vector("unseen", concepts.unseen_pictures(suite, first))
        for who in ((first,), (last,), (first, last)):
            held = concepts.held_out_pictures(suite, who)
            assert held is not None
            book.vector(f"held out, {concepts.label_of(who)}", held)
            for k, pictures in enumerate(concepts.lookalike_pictures(suite, who)):
                book.vector(f"look-alike {k} of {concepts.label_of(who)}", pictures)
        both = concepts.pair_pictures(suite, (first, last))
        assert both is not None
        book.vector("pair", both)


def write_plan(book: Book) -> None:
    """Write down the units of small plans, drawn orders, and which keys change with each input."""
    suite = suite_of("tiny")
    for protocol in ("final", "full", "end", "learned"):
        plan = planner_of(suite, protocol).run(Chosen(), _ORDER, 0)
        book.text(f"units/{protocol}", list(_keys(plan)))
        book.text(f"seeds/{protocol}", [t.seed for t in plan.trains])
        book.text(f"prompts/{protocol}", digest([[c.draw.prompts, c.draw.per_prompt, c.draw.seed] for c in plan.cells]))
    large = load_suite("toybox-6")
    book.text("orders", orders_of(large, "7"))
    book.text("lengths", lengths_of(large, "2,6"))
    grid = Grid([Chosen()], orders_of(suite, "all"), lengths_of(suite, "1,3"), (0, 1))
    book.text("grid", [len(grid), *grid.prefixes])
    book.text("shared", len({u.key for plan in grid.plans(planner_of(suite)) for u in plan.units()}))
    usual = _keys(planner_of(suite, "full").run(Chosen(), _ORDER, 0))
    for name, plan in _variations(suite):
        book.text(f"changed by {name}", _changed(usual, _keys(plan)))
        book.text(f"run under another {name}", _record(plan))


def _record(plan: RunPlan) -> list[Any]:
    run = plan.run
    return [run.method, digest(run.options), run.seed, *run.order, run.protocol, run.profile, run.device, run.dtype]


def _keys(plan: RunPlan) -> dict[str, str]:
    """The key of each unit by what it is."""
    found = {f"train/{t.number}": t.key for t in plan.trains}
    for cell in plan.cells:
        who = concepts.label_of(cell.subjects)
        found[f"draw/{cell.i}/{who}"] = cell.draw.key
        if cell.measure:
            found[f"score/{cell.i}/{who}"] = cell.measure.key
    for units in (plan.reals, plan.ceilings):
        for unit in units:
            kind = "ceiling" if isinstance(unit, Measure) else "real"
            found[f"{kind}/{concepts.label_of(unit.subjects)}"] = unit.key
    return found | {f"classify/{i}": unit.key for i, unit in plan.classified.items()}


def _changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """How many units of each kind have another key, and a digest of which ones these are."""
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    counts = Counter(name.partition("/")[0] for name in changed)
    return [*(f"{kind}:{n}" for kind, n in sorted(counts.items())), digest(changed)]


def _variations(suite: Suite) -> Iterator[tuple[str, RunPlan]]:
    """Plans under the protocol ``full`` that differ from the usual one in one input each."""
    usual = planner_of(suite, "full")
    for choice, name in (
        (Chosen(name="other"), "method"),
        (Chosen(options={"pattern": {"strength": 2.0}}), "option"),
        (Chosen(code="other"), "code of the method"),
        (Chosen(make=None), "method that never learns"),
    ):
        yield name, usual.run(choice, _ORDER, 0)
    yield "nothing", planner_of(suite, "full").run(Chosen(), _ORDER, 0)
    yield "seed", usual.run(Chosen(), _ORDER, 1)
    yield "order", usual.run(Chosen(), (1, 2, 0), 0)
    yield "length", usual.run(Chosen(), _ORDER[:2], 0)
    for name, planner in (*_planners(usual), *_suites(suite)):
        yield name, planner.run(Chosen(), _ORDER, 0)


def _planners(usual: Planner) -> Iterator[tuple[str, Planner]]:
    changes: dict[str, Any] = {
        "protocol": "final",
        "profile": PROFILES["dreambooth"],
        "weights": "other",
        "backbone": "other",
        "device": "cuda",
        "dtype": "bfloat16",
        "threads": 2,
        "extractors": {"pooled": "other"},
        "seen_on": ("cuda", 1),
    }
    for name, value in changes.items():
        yield name, replace(usual, known={}, **{name: value})
    for name, value in (("autoencoded", False), ("metrics", ("mmd",)), ("align_scale", 2.0), ("sentence", "other")):
        profile = replace(usual.profile, **{name: value})  # type: ignore[arg-type]
        yield f"{name} of the profile", replace(usual, known={}, profile=profile)
    for kind in usual.code:
        yield f"code of {kind}", replace(usual, known={}, code={**usual.code, kind: "other"})


def _suites(suite: Suite) -> Iterator[tuple[str, Planner]]:
    """One planner for each field of the suite that is changed alone."""
    changes: dict[str, dict[str, Any]] = {
        "training": {"steps": 9, "batch": 9, "pictures": 3},
        "sampling": {"sampler": "ddim", "steps": 9, "guidance": 3.0, "batch": 9},
        "evaluation": {"per_prompt": 3, "per_pair": 5, "references": 3, "distractors": 1, "profile": "other"},
        "prompts": {
            "train": "a {}",
            "evaluation": (*suite.prompts.evaluation, "a {}"),
            "pairs": ("a {} and a {}",),
            "prior": ("a cup",),
        },
    }
    for section, values in changes.items():
        for name, value in values.items():
            part = getattr(suite, section).model_copy(update={name: value})
            yield f"{section}.{name}", planner_of(suite.model_copy(update={section: part}), "full")
    for name, value in (*((k, "other") for k in ("title", "licence", "name", "backbone")), ("version", 2)):
        yield f"suite.{name}", planner_of(suite.model_copy(update={name: value}), "full")
    for name, value in (("name", "other"), ("noun", "dog"), ("toybox", 77)):
        first = suite.concepts[0].model_copy(update={name: value})
        yield f"concept.{name}", planner_of(suite.model_copy(update={"concepts": (first, *suite.concepts[1:])}), "full")
