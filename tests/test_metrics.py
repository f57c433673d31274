"""The metrics against scikit-learn, torchmetrics and cases known exactly."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from sklearn.metrics.pairwise import polynomial_kernel

from cpbench.benchmark import metrics


def features(n: int, d: int = 16, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (n, d))


def by_sklearn(x: np.ndarray, y: np.ndarray, degree: int) -> float:
    k = [polynomial_kernel(a, b, degree=degree, coef0=1) for a, b in ((x, x), (y, y), (x, y))]
    m, n = len(x), len(y)
    off = [(q.sum() - np.trace(q)) / (s * (s - 1)) for q, s in zip(k[:2], (m, n), strict=True)]
    return off[0] + off[1] - 2 * k[2].mean()


@pytest.mark.parametrize(("name", "degree"), [("mmd", 2), ("kid", 3)])
def test_mmd_and_kid_equal_scikit_learn_at_unequal_sizes(name, degree):
    x, y = features(7), features(12, seed=1, shift=0.3)
    assert getattr(metrics, name)(x, y) == pytest.approx(by_sklearn(x, y, degree), abs=1e-10)


def test_kid_equals_torchmetrics_at_equal_sizes():
    from torchmetrics.image.kid import poly_mmd

    x, y = features(20), features(20, seed=1, shift=0.3)
    theirs = poly_mmd(torch.from_numpy(x), torch.from_numpy(y)).item()
    assert metrics.kid(x, y) == pytest.approx(theirs, abs=1e-9)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_mmd_is_symmetric_and_does_not_depend_on_the_order_of_pictures(seed):
    x, y = features(6, seed=seed), features(9, seed=seed + 1)
    shuffled = np.random.default_rng(seed).permutation(x)
    assert metrics.mmd(x, y) == pytest.approx(metrics.mmd(y, x), abs=1e-10)
    assert metrics.mmd(shuffled, y) == pytest.approx(metrics.mmd(x, y), abs=1e-10)


def test_mmd_of_the_same_distribution_is_zero_on_average():
    values = [metrics.mmd(features(8, seed=k), features(5, seed=k + 5000)) for k in range(2000)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))
    assert min(values) < 0, "an unbiased estimator must be free to be negative"


def test_image_align_is_one_for_parallel_and_zero_for_orthogonal_features():
    e = np.eye(4)
    np.testing.assert_allclose(metrics.image_align(e[:2] * 3, e[:1] * 7), [1, 0])


def test_identity_tells_groups_apart_that_differ_only_beside_their_common_noise():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 5, (5, 40, 1)) * np.eye(12)[0]
    groups = [noise[k] + np.eye(12)[k + 1] + rng.normal(0, 0.05, (40, 12)) for k in range(5)]
    fresh = rng.normal(0, 5, (30, 1)) * np.eye(12)[0] + np.eye(12)[1] + rng.normal(0, 0.05, (30, 12))
    assert metrics.identity(fresh, groups).mean() == 1
    assert metrics.identity(fresh, groups[::-1]).mean() == 0


@pytest.mark.parametrize(("n", "d"), [(40, 100), (100, 100), (200, 30)])
def test_whitening_equals_the_inverse_square_root_of_the_shrunk_covariance(n, d):
    x = features(n, d)
    x -= x.mean(0)
    c = x.T @ x / n
    s = 0.9 * c + 0.1 * np.trace(c) / d * np.eye(d)
    y = features(5, d, seed=3)
    np.testing.assert_allclose(metrics.whitening(x)(y), y @ np.linalg.inv(sqrtm(s)), atol=1e-10)


@pytest.mark.parametrize("bad", [np.zeros((1, 4)), np.zeros(4), np.zeros((0, 4))])
def test_too_few_pictures_are_refused_instead_of_scored_nan(bad):
    with pytest.raises(ValueError, match="features must be"):
        metrics.mmd(bad, features(5, 4))
