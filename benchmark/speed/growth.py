"""How the work of a run grows with its number of tasks T: exact counts, and exponents fitted to them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..errors import FailedRun
from ..plan.planner import Planner
from ..plan.units import Classify, Draw, RunPlan, Train
from ..protocol import unwatched
from ..scoring.classifier import all_questions
from ..scoring.profiles import load_profile
from ..suite.spec import Suite, load_suite
from .bench import Bench
from .row import Measurement, Row

LENGTHS = (2, 6, 12, 25, 50)
METHODS, PROTOCOLS = ("lora", "clora", "ewc", "dsc"), ("final", "full")
_SUITE = "toybox-50"
_KINDS = ("train", "draw", "real", "measure", "classify")
_SEEN = 4  # states that are saved: two to find the line, two to check it


@dataclass(frozen=True)
class Counts:
    """Units, forward passes of the noise predictor, and drawn pictures of one run."""

    units: int
    passes: int
    pictures: int


def counts_of(plan: RunPlan, suite: Suite, beside: Callable[[int], int] = lambda _: 0) -> Counts:
    """The counts of a planned run; ``beside``: passes of the method in the task with a number, beside its updates."""
    units = {u.key: u for u in plan.units()}.values()
    drawn = sum(u.pictures for u in units if isinstance(u, Draw))
    budget = suite.training.steps * suite.training.batch
    trained = sum(budget + beside(u.number) for u in units if isinstance(u, Train))
    classified = sum(all_questions(len(u.concepts), u.bare) for u in units if isinstance(u, Classify))
    return Counts(len(units), trained + 2 * suite.sampling.steps * drawn + classified, drawn)


def exponent(counts: Mapping[int, int]) -> float:
    """The slope of the logarithm of a count over that of T, by least squares."""
    return float(np.polyfit(np.log(list(counts)), np.log(np.array(list(counts.values()), dtype=float)), 1)[0])


def growth_measurements(bench: Bench) -> Iterator[Measurement]:
    """Counts of plans by protocol, then bytes of states by method."""
    suite = load_suite(_SUITE)
    planners = {protocol: planner_of(suite, protocol) for protocol in PROTOCOLS}
    for protocol in PROTOCOLS:

        def plan(protocol: str = protocol) -> list[Row]:
            return [row for name in METHODS for row in _planned(bench, suite, planners[protocol], name)]

        yield Measurement(f"plans of {LENGTHS[0]} to {LENGTHS[-1]} tasks, protocol {protocol}", plan)
    for name in METHODS:

        def keep(name: str = name) -> list[Row]:
            return [_kept(bench, name)]

        yield Measurement(f"states of {name}", keep)


def planner_of(suite: Suite, protocol: str) -> Planner:
    """A planner whose keys are of no use: only its plans are counted."""
    profile, code = load_profile(suite.evaluation.profile), dict.fromkeys(_KINDS, "")
    return Planner(suite, profile, suite.backbone, "", "cpu", "float32", {}, protocol, code=code)


def _planned(bench: Bench, suite: Suite, planner: Planner, name: str) -> Iterator[Row]:
    chosen, pictures = bench.choose(name, {}), suite.training.pictures
    found = {
        n: counts_of(planner.run(chosen, tuple(range(n)), 0), suite, lambda i: bench.beside(chosen, i, pictures))
        for n in LENGTHS
    }
    what = f"{name}, {planner.protocol}"
    yield _growing(f"{what}: units", {n: counts.units for n, counts in found.items()}, "plan")
    yield _growing(f"{what}: passes", {n: counts.passes for n, counts in found.items()}, "plan")


def _growing(what: str, counts: Mapping[int, int], how: str) -> Row:
    """The row of some counts; the least and the greatest exponent are those between neighbouring T."""
    near = [exponent(dict(two)) for two in pairwise(counts.items())]
    return Row("growth", what, how, "exponent", exponent(counts), min(near), max(near), len(counts), counts)


def _kept(bench: Bench, name: str) -> Row:
    """The bytes of the tensors of all states of a run; what states share counts once."""
    what, fresh = f"{name}: state bytes", fresh_bytes(bench, name, _SEEN)
    slope = fresh[2] - fresh[1]
    if fresh[3] - fresh[2] != slope:
        return Row("growth", what, "states", "exponent", note="the bytes of a state are not linear in its number")
    each = [fresh[0], *(fresh[1] + slope * k for k in range(LENGTHS[-1] - 1))]
    return _growing(what, {n: sum(each[:n]) for n in LENGTHS}, f"the first {_SEEN} states")


def fresh_bytes(bench: Bench, name: str, tasks: int) -> list[int]:
    """The bytes of tensors that each of the first states adds: those of files that no earlier state has."""
    settings = {"dsc": {"dsc.iterations": "1", "dsc.batch": "1"}, "ewc": {"ewc.passes": "1"}}.get(name, {})
    seen, found = set[tuple[int, int]](), list[int]()
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder) / str(n) for n in range(tasks)]
        for n, place in enumerate(places):
            method, _ = bench.method(name, settings)
            if n:
                method.load(places[n - 1])
            method.learn(bench.task(n + 1, 1, 1), unwatched)
            place.mkdir()
            method.save(place)
            own = {(s.st_dev, s.st_ino): file for file in place.rglob("*.safetensors") for s in [file.stat()]}
            found.append(sum(_tensor_bytes(file) for which, file in own.items() if which not in seen))
            seen |= own.keys()
    return found


def _tensor_bytes(file: Path) -> int:
    """The bytes of the tensors in a safetensors file: all but its header, which the first eight bytes measure."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        header = int.from_bytes(stream.read(8), "little")
    if not 0 <= 8 + header <= size:
        raise FailedRun(f"{file} is no whole safetensors file.")
    return size - 8 - header
