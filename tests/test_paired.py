"""Paired comparisons: differences of equal order and seed, few false alarms, and ranks with the places left open."""

import numpy as np
import pytest

from cpbench.benchmark.records import continual
from cpbench.reports.analysis.comparability import COMPARED, FORBIDS, ROUNDING, UNPAIRED, unequal
from cpbench.reports.analysis.paired import Difference, difference, differences, numbers, ranks
from cpbench.reports.analysis.stats import Estimate
from synthetic import FORGETS, KEEPS, ORDER, entry

ORDERS = [(*ORDER,), (*ORDER[::-1],), (ORDER[1], ORDER[0], ORDER[2])]


def average(e):
    return continual.average(e.matrix("identity"))


def test_a_difference_is_of_runs_with_equal_order_and_seed_only():
    a, b = [entry(r=KEEPS, seed=k) for k in range(3)], [entry("dsc", FORGETS, seed=k) for k in (1, 2, 7)]
    found = difference(numbers(a, average), numbers(b, average), ("a", "b")).estimate
    assert found.n == 2 and found.value == pytest.approx(0.7 - 0.6) and found.interval is None


def test_without_pairs_there_is_no_difference():
    found = difference(numbers([entry()], average), numbers([entry(seed=4)], average), ("a", "b"))
    assert np.isnan(found.estimate.value) and not found.significant


@pytest.mark.parametrize(("interval", "sure"), [(None, False), ((-1, 1), False), ((0, 1), False), ((0.1, 1), True)])
def test_a_difference_is_sure_where_its_interval_leaves_zero_out(interval, sure):
    assert Difference("a", "b", Estimate(0.5, interval, 3)).significant is sure


@pytest.mark.parametrize(("orders", "seeds"), [(3, 2), (1, 5), (5, 1), (3, 3)])
def test_methods_without_any_difference_are_found_to_differ_in_five_per_cent(orders, seeds):
    """Both share what orders and seeds do, and each has a noise of its own, larger than what is shared.

    No difference means no interaction of method and order either: both gain the same from each order.
    """
    rng, alarms, n = np.random.default_rng(orders * 10 + seeds), 0, 6000
    keys = [(ORDERS[o % 3] + (str(o),), s) for o in range(orders) for s in range(seeds)]
    for _ in range(n):
        shared = {key: rng.normal() for key in keys}
        a, b = ({key: shared[key] + rng.normal(scale=2) for key in keys} for _ in range(2))
        alarms += difference(a, b, ("a", "b")).significant
    print(f"{orders} orders, {seeds} seeds: {alarms / n:.3f}")
    assert 0.04 <= alarms / n <= 0.06


def test_ranks_are_places_by_mean_with_those_that_differences_leave_open():
    good = [entry("good", KEEPS, seed=k) for k in range(4)]
    also = [entry("also", KEEPS, seed=k) for k in range(4)]
    poor = [entry("poor", FORGETS, seed=k) for k in range(4)]
    found = ranks({"poor": poor, "good": good, "also": also}, average)
    assert [found[name].place for name in ("also", "good", "poor")] == [1, 2, 3]
    assert [found[name].behind for name in ("also", "good", "poor")] == [False, False, True]
    assert (found["good"].best, found["good"].worst) == (1, 2) and (found["poor"].best, found["poor"].worst) == (3, 3)
    upside = ranks({"poor": poor, "good": good}, average, higher=False)
    assert upside["poor"].place == 1 and (upside["good"].best, upside["good"].worst) == (2, 2)


def test_with_one_run_each_every_place_is_open():
    found = ranks({"a": [entry(r=KEEPS)], "b": [entry()]}, average)
    assert {(r.best, r.worst) for r in found.values()} == {(1, 2)}


def test_every_pair_is_there_once():
    runs = {name: [entry(name)] for name in "abcd"}
    assert list(differences(runs, average)) == [("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")]


def differing(a, b):
    return {u.what: u.follows for u in unequal(a, b)}


def test_what_differs_between_runs_is_listed_with_what_follows():
    assert differing(entry(), entry()) == {}
    assert differing(entry(), entry(weights="x" * 16)) == {"backbone": FORBIDS}
    assert differing(entry(), entry("dsc", options={"learner": {"rate": 0.5}})) == {
        "method": COMPARED,
        "learner.rate": COMPARED,
    }
    assert differing(entry(), entry(seed=3, order=ORDER[::-1])) == {"seed": UNPAIRED, "order": UNPAIRED}


def test_another_environment_may_change_the_last_bits():
    from dataclasses import replace

    a, b = (replace(entry(), environment={"packages": {"torch": v}}) for v in ("2.9", "3.0"))
    (found,) = unequal(a, b)
    assert (found.what, found.first, found.second, found.follows) == ("packages.torch", "2.9", "3.0", ROUNDING)
