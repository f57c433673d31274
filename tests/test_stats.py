"""Intervals hold what they promise, by simulation from distributions whose mean is known."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from cpbench.reports.analysis.stats import estimate, pooled_variance, spread


def coverage(draw, truth: float, strata=None, trials: int = 4000) -> float:
    """The share of intervals that hold the truth."""
    rng = np.random.default_rng(0)
    found = [estimate(draw(rng), strata).interval for _ in range(trials)]
    return float(np.mean([low <= truth <= high for low, high in found]))


@pytest.mark.parametrize("n", [3, 4, 6, 10])
def test_a_95_percent_interval_over_few_runs_covers_93_to_97_percent(n):
    assert 0.93 <= coverage(lambda rng: rng.normal(2, 3, n), 2) <= 0.97


@pytest.mark.parametrize("strata", [[0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 1]])
def test_with_several_seeds_an_order_it_covers_the_mean_over_these_orders(strata):
    effect = np.array([0.0, 5.0, -2.0])[strata]
    assert 0.93 <= coverage(lambda rng: rng.normal(effect, 1), effect.mean(), strata) <= 0.97


def test_shares_of_many_pictures_are_covered_though_they_are_not_normal():
    p = 0.7
    assert 0.93 <= coverage(lambda rng: rng.binomial(192, p, 6) / 192, p, [0, 0, 1, 1, 2, 2]) <= 0.97


def test_a_percentile_bootstrap_over_six_runs_is_too_short_which_is_why_it_is_not_used():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        runs = rng.normal(size=6)
        ci = bootstrap((runs,), np.mean, n_resamples=999, method="percentile", rng=rng).confidence_interval
        held += ci.low <= 0 <= ci.high
    assert held / 400 < 0.91


def test_the_spread_between_orders_does_not_widen_an_interval_that_has_seeds_within_orders():
    runs = [0.1, 0.12, 0.8, 0.82]
    wide, narrow = estimate(runs).interval, estimate(runs, ["a", "a", "b", "b"]).interval
    assert narrow[1] - narrow[0] < (wide[1] - wide[0]) / 5


def test_one_seed_an_order_is_an_interval_over_orders():
    runs = [0.1, 0.4, 0.8]
    assert estimate(runs, ["a", "b", "c"]) == estimate(runs)


def test_the_interval_of_three_runs_is_students_by_hand():
    e = estimate([1.0, 2.0, 3.0])
    assert e.value == 2 and e.n == 3
    assert e.interval == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), abs=1e-6)


def test_below_three_runs_there_is_no_interval_and_equal_runs_have_one_of_no_width():
    assert estimate([0.5]).interval is estimate([0.5, 0.6]).interval is None
    assert estimate([0.5] * 4).interval == (0.5, 0.5)


def test_what_was_not_measured_is_left_out_of_mean_and_n():
    e = estimate([1.0, float("nan"), 3.0, 2.0], ["a", "a", "a", "a"])
    assert (e.value, e.n) == (2.0, 3)
    assert np.isnan(estimate([float("nan")]).value) and estimate([]).n == 0


def test_the_pooled_variance_is_that_within_groups():
    groups = [np.array([1.0, 3.0]), np.array([10.0, 10.0, 16.0])]
    assert pooled_variance(groups) == pytest.approx((2 + 24) / 3)


def test_the_sources_of_spread_are_found_again_in_simulated_runs():
    rng = np.random.default_rng(1)
    order, training, sampling = 3.0, 2.0, 1.0
    effects = np.repeat(rng.normal(0, order, 400), 4)
    runs = effects + rng.normal(0, training, 1600) + rng.normal(0, sampling, 1600)
    found = spread(list(runs), list(np.repeat(np.arange(400), 4)), [sampling] * 1600)
    assert (found.order, found.training, found.sampling) == pytest.approx((order, training, sampling), rel=0.1)


def test_a_source_that_the_runs_do_not_show_is_not_a_number():
    one = spread([1.0, 2.0], ["a", "b"], [0.1, 0.1])
    assert np.isnan(one.training) and np.isnan(one.order) and one.sampling == pytest.approx(0.1)
    assert spread([1.0, 1.0, 1.0, 1.0], list("aabb"), [0.5] * 4).training == 0, "negative estimates are zero"
