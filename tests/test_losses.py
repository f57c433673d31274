"""Each loss against its equation in a case done by hand, and in its limits."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cpbench.methods.balance import balance, summary
from cpbench.methods.consolidations.clora import clora_penalty
from cpbench.methods.consolidations.dsc import DscOptions, noise_distances, score_distance
from cpbench.methods.scores import contrast, cross_entropy, errors, logits, unit
from cpbench.methods.training import rate_share

D = torch.float64


def test_clora_penalty_by_hand():
    past = {"k": torch.tensor([[1.0, -2.0], [0.0, 3.0]], dtype=D)}
    delta = {"k": torch.tensor([[2.0, 1.0], [5.0, -1.0]], dtype=D)}
    assert clora_penalty(past, delta).item() == pytest.approx((1 * 2) ** 2 + (2 * 1) ** 2 + 0 + (3 * 1) ** 2, abs=1e-12)


def test_clora_penalty_takes_the_absolute_value_of_the_sum_not_the_sum_of_absolute_values():
    cancelled = {"k": torch.ones(2, 2, dtype=D) - torch.ones(2, 2, dtype=D)}
    assert clora_penalty(cancelled, {"k": torch.ones(2, 2, dtype=D)}).item() == 0


def test_clora_penalty_sums_over_layers_and_is_zero_without_a_past():
    one = {"a": torch.ones(1, 1, dtype=D), "b": 2 * torch.ones(1, 1, dtype=D)}
    assert clora_penalty(one, one).item() == pytest.approx(1 + 16)
    assert clora_penalty({}, one).item() == 0


def test_clora_penalty_is_quartic_in_the_scale_of_all_factors():
    past, delta = {"k": torch.randn(3, 3, dtype=D)}, {"k": torch.randn(3, 3, dtype=D)}
    scaled = clora_penalty({"k": 2 * past["k"]}, {"k": 2 * delta["k"]})
    assert scaled.item() == pytest.approx(16 * clora_penalty(past, delta).item())


def test_errors_are_means_over_the_latent_for_each_candidate():
    noise = torch.zeros(1, 1, 1, 2, dtype=D)
    predictions = torch.tensor([[[[[1.0, 3.0]]], [[[0.0, 2.0]]]]], dtype=D)
    torch.testing.assert_close(errors(noise, predictions), torch.tensor([[5.0, 2.0]], dtype=D))


def test_logits_are_minus_the_error_relative_to_the_mean_over_temperature():
    expected = torch.tensor([[-1.0 / (3 * 0.5), -5.0 / (3 * 0.5)]], dtype=D)
    torch.testing.assert_close(logits(torch.tensor([[1.0, 5.0]], dtype=D), 0.5), expected)


def test_equal_errors_give_uniform_scores_and_cross_entropy_log_k():
    even = logits(torch.ones(2, 3, dtype=D), 0.1)
    assert cross_entropy(even, even).tolist() == pytest.approx([math.log(3)] * 2, abs=1e-12)


def test_a_single_candidate_carries_no_signal():
    one = logits(torch.rand(4, 1, dtype=D), 0.1)
    assert (cross_entropy(one, logits(torch.rand(4, 1, dtype=D), 0.1)) == 0).all()


def softmax_by_hand(e, tau):
    scale = sum(e) / len(e)
    w = [math.exp(-x / (scale * tau)) for x in e]
    return [x / sum(w) for x in w]


VALUES = {"first": [2.0, 0.5, 1.0], "second": [0.2, 1.0, 1.5], "student": [0.7, 0.9, 1.1]}
"""Predictions of one entry for the candidates c^j, cⁿ and c⁰; the noise is zero, so errors are their squares."""


def scores_of_one_picture(**options):
    predictions = [torch.tensor(v, dtype=D).view(1, 3, 1, 1, 1) for v in VALUES.values()]
    return score_distance(torch.zeros(1, 1, 1, 1, dtype=D), *predictions, DscOptions(temperature=0.7, **options)).item()


def entropies():
    p1, p2, ps = (softmax_by_hand([x**2 for x in v], 0.7) for v in VALUES.values())
    return [-sum(a * math.log(s) for a, s in zip(p, ps, strict=True)) for p in (p1, p2)]


def test_the_noise_term_of_dsc_by_hand():
    first, second, student = (torch.tensor(v, dtype=D).view(1, 3, 1, 1, 1) for v in VALUES.values())
    expected = (0.5 - 0.9) ** 2 + (0.2 - 0.7) ** 2
    assert noise_distances(first, second, student).item() == pytest.approx(expected, abs=1e-12)


def test_the_score_term_of_dsc_by_hand_raw_and_in_units_of_the_loss():
    assert scores_of_one_picture(units="raw") == pytest.approx(sum(entropies()), abs=1e-8)
    mean = sum(x**2 for x in VALUES["student"]) / 3
    assert scores_of_one_picture() == pytest.approx(0.7**2 * mean * sum(entropies()), abs=1e-8)


def test_the_second_teacher_can_be_left_out_or_heard_only_where_the_new_concept_is_not_its_last():
    h1, h2 = entropies()
    assert scores_of_one_picture(units="raw", teachers="first") == pytest.approx(h1, abs=1e-8)
    assert scores_of_one_picture(units="raw", teachers="gated") == pytest.approx(h1 + h2, abs=1e-8)
    VALUES["second"], kept = [0.2, 1.7, 1.5], VALUES["second"]
    assert scores_of_one_picture(units="raw", teachers="gated") == pytest.approx(entropies()[0], abs=1e-8)
    VALUES["second"] = kept


@given(st.floats(0.05, 1), st.floats(1e-3, 1e3), st.integers(0, 2**31))
def test_in_units_of_the_loss_the_gradient_by_an_error_is_the_difference_of_the_scores(tau, size, seed):
    draw = torch.Generator().manual_seed(seed)
    teacher, e = (size * torch.rand(4, 3, dtype=D, generator=draw) + size / 10 for _ in range(2))
    e.requires_grad_()
    (unit(e, tau, "loss") * cross_entropy(logits(teacher, tau), logits(e, tau))).sum().backward()
    difference = logits(teacher, tau).softmax(1) - logits(e.detach(), tau).softmax(1)
    torch.testing.assert_close(e.grad, difference, atol=1e-10, rtol=1e-8)


@given(st.floats(0.05, 1), st.integers(2, 6), st.integers(0, 2**31))
def test_in_units_of_the_loss_the_contrast_is_the_difference_of_the_errors_at_every_temperature(tau, k, seed):
    e = 0.1 + torch.rand(3, k, dtype=D, generator=torch.Generator().manual_seed(seed))
    found = unit(e, tau, "loss") * contrast(logits(e, tau))
    torch.testing.assert_close(found, e[:, 0] - e[:, 1:].mean(1), atol=1e-10, rtol=1e-8)


def test_the_terms_of_dsc_have_no_gradient_where_student_and_both_teachers_agree():
    noise = torch.randn(2, 4, 3, 3, dtype=D, generator=torch.Generator().manual_seed(0))
    same = torch.randn(2, 3, 4, 3, 3, dtype=D, generator=torch.Generator().manual_seed(1))
    student = same.clone().requires_grad_()
    loss = noise_distances(same, same, student) + score_distance(noise, same, same, student, DscOptions())
    loss.backward()
    assert student.grad.abs().max() < 1e-12


def test_the_balance_of_two_terms_by_hand():
    x, y = (torch.tensor(v, dtype=D, requires_grad=True) for v in ([3.0, 4.0], [2.0]))
    terms = {"main": x.square().sum() / 2, "other": 2 * x[0] + 0 * x[1], "none": torch.zeros((), dtype=D)}
    found = balance(terms, [x, y])
    assert {k: v.item() for k, v in found.items()} == pytest.approx(
        {"norm.main": 5, "norm.other": 2, "cosine.other": 3 / 5}
    )
    assert balance({"main": terms["main"]}, [x]) == {} == balance({"a": x.sum(), "b": y.sum()}, [x, y])


def test_the_summary_of_balances_has_their_means_and_the_norms_at_both_ends():
    each = [{"norm.a": torch.tensor(float(k)), "norm.b": torch.tensor(2.0 * k)} for k in (1, 2, 6)]
    each[1]["cosine.b"] = torch.tensor(0.5)
    assert summary("learn", each) == {
        "gradient.learn.norm.a": 3,
        "gradient.learn.first.a": 1,
        "gradient.learn.last.a": 6,
        "gradient.learn.norm.b": 6,
        "gradient.learn.first.b": 2,
        "gradient.learn.last.b": 12,
        "gradient.learn.cosine.b": 0.5,
    }
    assert summary("learn", []) == {}


def test_the_rates_fall_linearly_to_zero_over_the_cooldown_and_never_without_one():
    assert [rate_share(k, 4, 0.5) for k in range(5)] == [1, 1, 1, 0.5, 0]
    assert [rate_share(k, 4, 1.0) for k in range(5)] == [1, 0.75, 0.5, 0.25, 0]
    assert [rate_share(k, 4, 0.0) for k in range(5)] == [1] * 5
