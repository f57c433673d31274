"""The summaries of the matrix, on matrices small enough to compute by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cpbench.benchmark.records import continual

NAN = np.nan
# rows: base, after task 1, 2, 3; columns: concepts
R = np.array([[0.1, 0.1, 0.1], [0.9, NAN, NAN], [0.95, 0.8, NAN], [0.5, 0.7, 0.6]])


def test_average_is_the_mean_of_the_last_row():
    assert continual.average(R) == pytest.approx((0.5 + 0.7 + 0.6) / 3)


def test_plasticity_is_the_mean_right_after_learning():
    assert continual.plasticity(R) == pytest.approx((0.9 + 0.8 + 0.6) / 3)


def test_last_forgetting_is_positive_when_the_end_is_worse_in_both_directions():
    by_hand = ((0.9 - 0.5) + (0.8 - 0.7)) / 2
    assert continual.forgetting_last(R, higher=True) == pytest.approx(by_hand)
    assert continual.forgetting_last(-R, higher=False) == pytest.approx(by_hand)


def test_max_forgetting_starts_from_the_best_value_between_learning_and_the_end():
    by_hand = ((0.95 - 0.5) + (0.8 - 0.7)) / 2
    assert continual.forgetting_max(R, higher=True) == pytest.approx(by_hand)
    assert continual.forgetting_max(-R, higher=False) == pytest.approx(by_hand)


def test_one_task_has_no_forgetting():
    assert np.isnan(continual.forgetting_last(np.array([[0.1], [0.9]]), higher=True))


@given(arrays(np.float64, (5, 4), elements=st.floats(-1, 1)))
def test_backward_transfer_is_minus_last_forgetting_and_max_is_never_below_last(r):
    last = continual.forgetting_last(r, higher=True)
    assert continual.backward_transfer(r, higher=True) == -last
    assert continual.forgetting_max(r, higher=True) >= last - 1e-12


@given(arrays(np.float64, (4, 3), elements=st.floats(-1, 1)), st.floats(-1, 1))
def test_adding_a_constant_changes_the_averages_and_not_the_forgetting(r, c):
    assert continual.average(r + c) == pytest.approx(continual.average(r) + c, abs=1e-9)
    assert continual.forgetting_max(r + c, higher=True) == pytest.approx(
        continual.forgetting_max(r, higher=True), abs=1e-9
    )


def test_the_other_forgettings_by_hand_in_both_directions():
    better_later = np.array([[0.1, 0.1, 0.1], [0.4, 0.3, NAN], [0.3, 0.8, 0.2], [0.6, 0.7, 0.6]])
    for r, higher in ((better_later, True), (-better_later, False)):
        assert continual.forgetting_last(r, higher=higher) == pytest.approx((-0.2 + 0.1) / 2)
        assert continual.forgetting_max(r, higher=higher) == pytest.approx((-0.2 + 0.1) / 2)
        assert continual.forgetting_clipped(r, higher=higher) == pytest.approx((0 + 0.1) / 2)
        assert continual.forgetting_all(r, higher=higher) == pytest.approx((-0.2 + 0.1 + 0) / 3)
        assert continual.forward_transfer(r, higher=higher) == pytest.approx((0.3 - 0.1 + 0.2 - 0.1) / 2)


def test_forward_transfer_needs_the_full_protocol():
    assert np.isnan(continual.forward_transfer(R, higher=True))


def test_intransigence_is_what_learning_alone_would_have_given():
    alone = np.array([[0, 0], [0.9, NAN], [NAN, 0.8]])
    r = np.array([[0, 0], [0.9, NAN], [0.5, 0.5]])
    assert continual.intransigence(r, alone, higher=True) == pytest.approx(0.15)
    assert continual.intransigence(-r, -alone, higher=False) == pytest.approx(0.15)


def avalanche(rows):
    """Its Forgetting: the first value of a key less its last, for keys seen again after; updated as its stream does."""
    initial, last = {}, {}
    for after, values in enumerate(rows):
        last = {}
        for k in range(len(values)):
            if k == after:
                initial[k] = values[k]
            elif k < after:
                last[k] = values[k]
    return np.mean([initial[k] - last[k] for k in initial if k in last])


def mammoth(rows):
    """Its forgetting: the largest of a column padded with zeros, less the last row."""
    padded = np.array([[*row[: k + 1], *[0.0] * (len(rows) - k - 1)] for k, row in enumerate(rows)])
    return np.mean((padded.max(axis=0) - padded[-1])[:-1])


def test_forgetting_and_backward_transfer_equal_avalanches_and_mammoths_on_1000_random_matrices():
    rng = np.random.default_rng(0)
    for _ in range(1000):
        t = int(rng.integers(2, 8))
        r = rng.random((t + 1, t))
        assert continual.forgetting_last(r, higher=True) == pytest.approx(avalanche(r[1:]), abs=1e-12)
        assert continual.backward_transfer(r, higher=True) == pytest.approx(-avalanche(r[1:]), abs=1e-12)
        assert continual.forgetting_clipped(r, higher=True) == pytest.approx(mammoth(r[1:]), abs=1e-12)
        assert continual.forgetting_last(1 - r, higher=False) == pytest.approx(avalanche(r[1:]), abs=1e-12)
