"""How the work of a run grows with the number of its tasks: counted, not timed."""

import math
from collections.abc import Callable
from dataclasses import astuple, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_chain import planner
from test_methods import chosen

from conftest import task
from cpbench.benchmark.plan import planner as planning
from cpbench.benchmark.plan.protocols import looked_at, measured
from cpbench.benchmark.plan.units import Classify, Train
from cpbench.benchmark.protocol import Subject, unwatched
from cpbench.benchmark.scoring.classifier import HEAT, MOST, MOST_BARE, PICTURES, classify, picked, questions, rounds
from cpbench.benchmark.speed.growth import LENGTHS, METHODS, counts_of, exponent
from cpbench.benchmark.suite.spec import load_suite

SETTLED = 9
"""From this task on, each costs as much as the one before: as many earlier concepts as it takes are there."""
PICTURE, ROW = 6_000, 2_500
"""Bytes of a picture of 64 × 64, and of a unit without its pictures and state."""


class Work(NamedTuple):
    """What is counted of one run."""

    units: float
    passes: float
    pictures: float
    bytes: float


class Learned(NamedTuple):
    """Forward passes beyond the updates of the suite, and new bytes of the state, of task 1 and on."""

    passes: list[int]
    bytes: list[int]

    def passes_of(self, n: int) -> int:
        """Those of task n, which costs the same from :data:`SETTLED` on."""
        return self.passes[min(n, SETTLED) - 1]

    def bytes_of(self, n: int) -> int:
        """Those of the state after task n, which grow by a row of the table of tokens."""
        return self.bytes[min(n, SETTLED) - 1] + max(0, n - SETTLED) * (self.bytes[-1] - self.bytes[-2])


@pytest.fixture(scope="module")
def learned(pristine, tmp_path_factory) -> Callable[[str], Learned]:
    """What a method really asks of the tiny model, and really writes, task by task."""

    @cache
    def of(name: str) -> Learned:
        folder, passes, written = tmp_path_factory.mktemp(name), list[int](), list[int]()
        asked, inodes = [0], set[int]()
        for n in range(1, SETTLED + 1):
            method = chosen(name).make(pristine.copy(), 7)
            if n > 1:
                method.load(folder / str(n - 1))
            method.backbone.network.register_forward_pre_hook(lambda _, given: asked.append(len(given[0])))
            asked[:] = []
            own = replace(task(1, "cat", "mallow", steps=1), number=n, seed=n, subject=Subject(f"c{n}", "cat"))
            method.learn(own, unwatched)
            method.inspect(own, unwatched)
            passes.append(sum(asked) - own.batch)
            (folder / str(n)).mkdir()
            method.save(folder / str(n))
            written.append(_new_bytes(folder / str(n), inodes))
        return Learned(passes, written)

    return of


def _new_bytes(folder: Path, seen: set[int]) -> int:
    """The bytes of the files of a state that no earlier state has, which are then seen."""
    new = {f.stat().st_ino: f.stat().st_size for f in folder.rglob("*") if f.is_file() and f.stat().st_ino not in seen}
    seen.update(new)
    return sum(new.values())


@pytest.fixture
def work(monkeypatch, learned) -> Callable[[str, str], list[Work]]:
    """The work of a method under a protocol, for each of :data:`LENGTHS`."""
    monkeypatch.setattr(planning, "content_hash", lambda _, concept: concept.name)  # to render 50 concepts takes long
    monkeypatch.setattr(planning, "reference_hash", lambda _, concept: concept.name)
    suite = load_suite("toybox-50")

    def of(protocol: str, name: str) -> list[Work]:
        plan = planner(suite, protocol=protocol).run
        return [_work_of(plan(chosen(name), tuple(range(n)), 0), suite, learned(name)) for n in LENGTHS]

    return of


def _work_of(plan, suite, own: Learned) -> Work:
    counts = counts_of(plan, suite, own.passes_of)
    units = {u.key: u for u in plan.units()}.values()
    confusions = sum(3 * len(u.concepts) ** 2 for u in units if isinstance(u, Classify))
    states = sum(own.bytes_of(u.number) for u in units if isinstance(u, Train))
    return Work(*astuple(counts), PICTURE * counts.pictures + ROW * counts.units + states + confusions)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(("protocol", "most"), [("final", 1.05), ("full", 2.05)])
def test_the_work_of_the_final_protocol_grows_as_the_number_of_tasks_and_of_the_full_one_as_its_square(
    protocol, most, name, work, show
):
    found = work(protocol, name)
    exponents = [exponent(dict(zip(LENGTHS, counts, strict=True))) for counts in zip(*found, strict=True)]
    show({"protocol": protocol, "method": name, **dict(zip(LENGTHS, map(tuple, found), strict=True))})
    show(dict(zip(Work._fields, np.round(exponents, 3).tolist(), strict=True)))
    assert max(exponents) <= most


@pytest.mark.parametrize("name", METHODS)
def test_a_task_costs_no_more_than_the_one_before_once_there_are_some(name, learned):
    """What is counted for nine tasks holds for any number: the state grows by one row of the table of tokens."""
    own = learned(name)
    assert own.passes[-1] == own.passes[-2]
    grown = np.diff(own.bytes[1:])
    assert (grown >= 0).all() and (grown <= 512).all()


@pytest.mark.parametrize("last", range(1, 70))
def test_states_are_looked_at_ever_more_rarely_and_always_at_both_ends(last):
    final, full = sorted(looked_at("final", last)), sorted(looked_at("full", last))
    assert full == sorted(looked_at("final", last, film=True)) == list(range(1, last + 1))
    assert {1, last} <= set(final) <= set(full) and not looked_at("end", last)
    assert all(b <= 2 * a for a, b in pairwise(final))
    assert sum(final) < 4 * last, "so that what is linear in the state is linear in all"


def test_each_concept_is_measured_before_after_its_task_and_at_the_end():
    assert [list(measured("final", i, 3)) for i in range(4)] == [[1, 2, 3], [1], [2], [1, 2, 3]]
    assert [list(measured("full", i, 2)) for i in range(3)] == [[1, 2]] * 3
    assert [list(measured("end", i, 2)) for i in range(3)] == [[], [], [1, 2]]
    assert [list(measured("learned", i, 3)) for i in range(4)] == [[], [1], [2], [1, 2, 3]]


@pytest.mark.parametrize(("bare", "limit"), [(False, MOST), (True, MOST_BARE)])
@pytest.mark.parametrize("k", [*range(1, 40), 50, 96, 97, 200])
def test_pictures_to_classify_are_taken_evenly_from_the_concepts_and_from_their_own(k, bare, limit):
    found = picked([32] * k, bare=bare)
    counts = list(map(len, found))
    assert len(found) == k and sum(counts) == min(limit, PICTURES * k)
    assert max(counts) - min(counts) <= 1
    if k <= limit // PICTURES:
        assert found == [list(range(PICTURES))] * k
    taken = np.bincount([j for own in found for j in own], minlength=PICTURES)
    assert len(taken) == PICTURES and max(taken) - min(taken) <= 1, "none is left out of all concepts"


@given(st.lists(st.integers(0, 12), min_size=1, max_size=60))
def test_pictures_to_classify_are_among_those_that_are_there(there):
    for n, own in zip(there, picked(there), strict=True):
        assert own == sorted(set(own)) and set(own) <= set(range(min(n, PICTURES)))
        assert own or not n or len(there) > MOST


@pytest.mark.parametrize("k", [1, 2, 5, 9, HEAT, HEAT + 1, 30])
def test_the_number_of_questions_is_that_which_the_classifier_asks(k):
    asked = []

    def explain(pictures, questions):
        asked.extend(questions)
        return np.linspace(0, 1, len(questions))

    n = min(MOST, PICTURES * k)
    classify(explain, np.zeros((n, 2, 2, 3), np.uint8), [None] * k)
    assert len(asked) == questions(k)
    assert questions(k, bare=True) * min(MOST, PICTURES * k) == questions(k) * min(MOST_BARE, PICTURES * k)
    each = 2 * (k + math.ceil(k / 2)) if k <= HEAT else k + 2 * HEAT
    assert questions(k) == n * each, "as docs/measuring.md states"


def test_all_timesteps_are_asked_of_the_last_candidates_however_many_there_were():
    for k in range(1, 60):
        assert sorted(t for times, _ in rounds(k) for t in times) == [125, 375, 625, 875]
        assert [left for _, left in rounds(k)][-1] == 1
