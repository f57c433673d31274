"""Scores of the diffusion classifier: against a plain sequential loop, and against exact posteriors of Gaussians."""

import pytest
import torch

from conftest import task
from cpbench.benchmark.protocol import Subject, unwatched
from cpbench.methods.registry import choose
from cpbench.methods.scores import candidate_errors, candidates, cross_entropy, errors, logits

F64 = torch.float64
CAT, CAR = task(1, "cat", "mallow"), task(2, "car", "rumble")


def test_the_batched_errors_are_those_of_a_plain_loop_over_candidates(pristine):
    """Algorithm 1 of arXiv 2410.00700: one t and one ε for all candidates, one pass of the network each."""
    learner = choose("lora", {})[0].make(pristine.copy(), 7)
    for t in (CAT, CAR):
        learner.learn(t, unwatched)
    subjects = [CAR.subject, Subject("", "car"), CAT.subject]
    for step in learner.examples(CAR, 1):
        batched = candidate_errors(learner, CAR, step, [subjects] * len(step.t))
        with torch.no_grad():
            one_by_one = []
            for prompt in ("photo of a <rumble> car", "photo of a car", "photo of a <mallow> cat"):
                eps = learner.backbone.predict(step.noisy, step.t, [prompt])
                one_by_one.append(((step.target - eps) ** 2).mean())
        torch.testing.assert_close(batched[0].detach(), torch.stack(one_by_one), atol=1e-5, rtol=1e-5)


def gaussian_errors(x, mu, s, a, eps):
    """e_i of the exact denoiser of N(μ_i, s²I): ε*(x_t) = b (x_t - a μ_i) / (a²s² + b²), from x (d,), mu (k, d)."""
    b = (1 - a**2) ** 0.5
    predicted = b * (a * x + b * eps - a * mu) / (a**2 * s**2 + b**2)
    as_pictures = predicted.view(1, len(mu), 1, 1, -1)
    return errors(eps.view(1, 1, 1, -1), as_pictures)


@pytest.mark.parametrize("a", [0.3, 0.7, 0.95])
def test_the_scores_of_gaussians_are_their_exact_posterior(a):
    """With ε and -ε the noise cancels: e_i - e_j = (ab/D)² (|x-μ_i|² - |x-μ_j|²)/d, D = a²s² + b², b² = 1 - a²."""
    draw = torch.Generator().manual_seed(1)
    d, s = 6, 0.8
    x, mu, eps = (torch.randn(*shape, dtype=F64, generator=draw) for shape in ((d,), (4, d), (d,)))
    e = (gaussian_errors(x, mu, s, a, eps) + gaussian_errors(x, mu, s, a, -eps)) / 2
    b = (1 - a**2) ** 0.5
    temperature = 2 * s**2 * (a * b / (a**2 * s**2 + b**2)) ** 2 / d / e.mean()
    exact = torch.softmax(-(x - mu).square().sum(1) / (2 * s**2), 0)
    torch.testing.assert_close(torch.softmax(logits(e, temperature), 1)[0], exact, atol=1e-8, rtol=0)


def test_noise_shared_by_all_candidates_makes_their_differences_far_less_noisy():
    draw = torch.Generator().manual_seed(2)
    x, mu = torch.randn(16, dtype=F64, generator=draw), 0.1 * torch.randn(2, 16, dtype=F64, generator=draw)

    def differences(paired):
        found = []
        for _ in range(200):
            first = torch.randn(16, dtype=F64, generator=draw)
            second = first if paired else torch.randn(16, dtype=F64, generator=draw)
            e = [gaussian_errors(x, mu, 1.0, 0.7, n)[0, k] for k, n in enumerate((first, second))]
            found.append(e[0] - e[1])
        return torch.stack(found).var()

    assert differences(paired=True) < differences(paired=False) / 20


def test_scores_do_not_change_with_the_scale_of_the_errors():
    e = torch.tensor([[1.0, 2.0, 4.0]], dtype=F64)
    torch.testing.assert_close(logits(e, 0.3), logits(1000 * e, 0.3), atol=1e-12, rtol=1e-12)


def test_the_cross_entropy_of_equal_scores_is_their_entropy_and_no_other_scores_have_less():
    draw = torch.Generator().manual_seed(3)
    teacher = torch.randn(2, 4, dtype=F64, generator=draw)
    p = torch.softmax(teacher, 1)
    entropy = -(p * p.log()).sum(1).mean()
    assert cross_entropy(teacher, teacher).mean().item() == pytest.approx(entropy.item(), abs=1e-12)
    for _ in range(20):
        assert cross_entropy(teacher, torch.randn(2, 4, dtype=F64, generator=draw)).mean() >= entropy


def test_one_concept_still_has_the_bare_noun_to_compare_with(pristine):
    learner = choose("lora", {})[0].make(pristine.copy(), 7)
    learner.learn(CAT, unwatched)
    found = candidates(learner, CAT.subject, 5, torch.Generator().manual_seed(0))
    assert [s.name for s in found] == ["mallow", ""]
