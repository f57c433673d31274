"""Each loss against its equation in a case done by hand, and in its limits."""

import math

import pytest
import torch

from cpbench.methods.consolidations.clora import clora_penalty
from cpbench.methods.consolidations.dsc import DscOptions, dsc_loss
from cpbench.methods.scores import cross_entropy, errors, logits
from cpbench.methods.training import rate_share

D = torch.float64


def total(terms):
    return torch.stack(list(terms.values())).sum()


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
    assert cross_entropy(even, even).item() == pytest.approx(math.log(3), abs=1e-12)


def test_a_single_candidate_carries_no_signal():
    one = logits(torch.rand(4, 1, dtype=D), 0.1)
    assert cross_entropy(one, logits(torch.rand(4, 1, dtype=D), 0.1)).item() == 0


def softmax_by_hand(e, tau):
    scale = sum(e) / len(e)
    w = [math.exp(-x / (scale * tau)) for x in e]
    return [x / sum(w) for x in w]


def test_dsc_loss_by_hand():
    noise = torch.zeros(1, 1, 1, 1, dtype=D)
    values = {"first": [1.0, 2.0, 0.5], "second": [1.5, 0.2, 1.0], "student": [1.1, 0.7, 0.9]}
    first, second, student = (torch.tensor(v, dtype=D).view(1, 3, 1, 1, 1) for v in values.values())
    options = DscOptions(score_weight=2.0, noise_weight=3.0, temperature=0.7)
    p1, p2, ps = (softmax_by_hand([x**2 for x in v], 0.7) for v in values.values())
    entropy = sum(-a * math.log(s) for p in (p1, p2) for a, s in zip(p, ps, strict=True))
    distance = (0.5 - 0.9) ** 2 + (0.2 - 0.7) ** 2
    assert total(dsc_loss(noise, first, second, student, options)).item() == pytest.approx(
        2 * entropy + 3 * distance, abs=1e-8
    )


def test_dsc_loss_has_no_gradient_where_student_and_both_teachers_agree():
    noise = torch.randn(2, 4, 3, 3, dtype=D)
    same = torch.randn(2, 3, 4, 3, 3, dtype=D)
    student = same.clone().requires_grad_()
    total(dsc_loss(noise, same, same, student, DscOptions())).backward()
    assert student.grad.abs().max() < 1e-12


def test_dsc_loss_with_both_weights_zero_is_zero():
    x = [torch.randn(2, 3, 1, 2, 2, dtype=D) for _ in range(3)]
    assert total(dsc_loss(torch.zeros(2, 1, 2, 2, dtype=D), *x, DscOptions(score_weight=0, noise_weight=0))).item() == 0


def test_the_rates_fall_linearly_to_zero_over_the_cooldown_and_never_without_one():
    assert [rate_share(k, 4, 0.5) for k in range(5)] == [1, 1, 1, 0.5, 0]
    assert [rate_share(k, 4, 1.0) for k in range(5)] == [1, 0.75, 0.5, 0.25, 0]
    assert [rate_share(k, 4, 0.0) for k in range(5)] == [1] * 5
