"""How the work of a run grows with the number of its tasks: counted, not timed."""

from dataclasses import astuple
from itertools import pairwise

import numpy as np
import pytest
from test_chain import planner

from cpbench.benchmark.plan.protocols import looked_at, measured
from cpbench.benchmark.scoring.classifier import MOST, PICTURES, questions, shares
from cpbench.benchmark.speed.growth import LENGTHS, counts_of, exponent
from cpbench.benchmark.suite.spec import load_suite
from cpbench.methods.registry import choose


def exponents(protocol, name):
    """The slopes of units, passes and pictures over T, both as logarithms."""
    suite, method = load_suite("toybox-50"), choose(name, {})[0]
    plan = planner(suite, protocol=protocol).run
    found = [astuple(counts_of(plan(method, tuple(range(n)), 0), suite)) for n in LENGTHS]
    return np.array([exponent(dict(zip(LENGTHS, counts, strict=True))) for counts in zip(*found, strict=True)])


@pytest.mark.parametrize("name", ["lora", "dsc"])
def test_the_work_of_the_final_protocol_grows_as_the_number_of_tasks(name, show):
    found = exponents("final", name)
    show(f"final, {name}: exponents of units, passes, pictures {found.round(3)}")
    assert (found <= 1.05).all()


def test_the_work_of_the_full_protocol_grows_as_its_square(show):
    found = exponents("full", "lora")
    show(f"full, lora: exponents of units, passes, pictures {found.round(3)}")
    assert (found <= 2.05).all()


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


@pytest.mark.parametrize("k", [*range(1, 40), 50, 96, 97, 200])
def test_pictures_to_classify_are_taken_evenly_from_the_concepts(k):
    found = shares(k)
    assert len(found) == k and sum(found) == min(MOST, PICTURES * k)
    assert max(found) - min(found) <= 1
    if k <= MOST // PICTURES:
        assert set(found) == {PICTURES}


def test_the_number_of_questions_is_that_which_the_classifier_asks():
    from cpbench.benchmark.scoring.classifier import classify

    for k in (1, 2, 5, 9):
        asked = []

        def explain(pictures, questions, asked=asked):
            asked += questions
            return np.linspace(0, 1, len(questions))

        classify(explain, np.zeros((sum(shares(k)), 2, 2, 3), np.uint8), [None] * k)
        assert len(asked) == questions(k)
