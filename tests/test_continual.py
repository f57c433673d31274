"""The summaries of the matrix, on matrices small enough to do by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cpbench.benchmark import continual

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
def test_adding_a_constant_moves_the_averages_and_not_the_forgetting(r, c):
    assert continual.average(r + c) == pytest.approx(continual.average(r) + c, abs=1e-9)
    assert continual.forgetting_max(r + c, higher=True) == pytest.approx(
        continual.forgetting_max(r, higher=True), abs=1e-9
    )
