"""The metrics against scikit-learn, torchmetrics and cases known exactly."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from sklearn.metrics.pairwise import polynomial_kernel

from cpbench.benchmark.scoring import functional


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
    assert getattr(functional, name)(x, y) == pytest.approx(by_sklearn(x, y, degree), abs=1e-10)


def test_kid_equals_torchmetrics_at_equal_sizes():
    from torchmetrics.image.kid import poly_mmd

    x, y = features(20), features(20, seed=1, shift=0.3)
    theirs = poly_mmd(torch.from_numpy(x), torch.from_numpy(y)).item()
    assert functional.kid(x, y) == pytest.approx(theirs, abs=1e-9)


@given(st.integers(0, 10_000))
@settings(max_examples=30)
def test_mmd_is_symmetric_and_does_not_depend_on_the_order_of_pictures(seed):
    x, y = features(6, seed=seed), features(9, seed=seed + 1)
    shuffled = np.random.default_rng(seed).permutation(x)
    assert functional.mmd(x, y) == pytest.approx(functional.mmd(y, x), abs=1e-10)
    assert functional.mmd(shuffled, y) == pytest.approx(functional.mmd(x, y), abs=1e-10)


def test_mmd_of_the_same_distribution_is_zero_on_average():
    values = [functional.mmd(features(8, seed=k), features(5, seed=k + 5000)) for k in range(2000)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))
    assert min(values) < 0, "an unbiased estimator must be free to be negative"


def test_image_align_is_one_for_parallel_and_zero_for_orthogonal_features():
    e = np.eye(4)
    np.testing.assert_allclose(functional.image_align(e[:2] * 3, e[:1] * 7), [1, 0])


def test_identity_tells_groups_apart_that_differ_only_beside_their_common_noise():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 5, (5, 40, 1)) * np.eye(12)[0]
    groups = [noise[k] + np.eye(12)[k + 1] + rng.normal(0, 0.05, (40, 12)) for k in range(5)]
    fresh = rng.normal(0, 5, (30, 1)) * np.eye(12)[0] + np.eye(12)[1] + rng.normal(0, 0.05, (30, 12))
    assert functional.identity(fresh, groups).mean() == 1
    assert functional.identity(fresh, groups[::-1]).mean() == 0


@pytest.mark.parametrize(("n", "d"), [(40, 100), (100, 100), (200, 30)])
def test_whitening_equals_the_inverse_square_root_of_the_shrunk_covariance(n, d):
    x = features(n, d)
    x -= x.mean(0)
    c = x.T @ x / n
    s = 0.9 * c + 0.1 * np.trace(c) / d * np.eye(d)
    y = features(5, d, seed=3)
    np.testing.assert_allclose(functional.whitening(x)(y), y @ np.linalg.inv(sqrtm(s)), atol=1e-10)


@pytest.mark.parametrize("bad", [np.zeros((1, 4)), np.zeros(4), np.zeros((0, 4))])
def test_too_few_pictures_are_refused_instead_of_scored_nan(bad):
    with pytest.raises(ValueError, match=r"\(n, d\) with n >= 2"):
        functional.mmd(bad, features(5, 4))


@pytest.mark.parametrize(("name", "degree"), [("drift_mmd", 2), ("drift_kid", 3)])
def test_the_drift_is_the_mean_over_pairs_of_pairs_by_hand(name, degree):
    x, y = features(6), features(6, seed=1, shift=0.3)
    k = {
        (a, b): polynomial_kernel(u, v, degree=degree, coef0=1)
        for a, u in (("x", x), ("y", y))
        for b, v in (("x", x), ("y", y))
    }
    h = [
        k["x", "x"][i, j] + k["y", "y"][i, j] - k["x", "y"][i, j] - k["x", "y"][j, i]
        for i in range(6)
        for j in range(6)
        if i != j
    ]
    assert getattr(functional, name)(x, y) == pytest.approx(np.mean(h), abs=1e-10)
    assert getattr(functional, name)(x, x) == 0, (
        "nothing has drifted; an estimate for independent samples would be below 0"
    )
    with pytest.raises(ValueError, match=r"equal sizes.* 6 and 4"):
        getattr(functional, name)(x, y[:4])


def test_the_drift_equals_mmd_on_average_where_pairs_are_independent():
    pairs = [(features(6, seed=k), features(6, seed=k + 9000, shift=0.5)) for k in range(1500)]
    gaps = [functional.drift_mmd(x, y) - functional.mmd(x, y) for x, y in pairs]
    assert abs(np.mean(gaps)) < 4 * np.std(gaps) / np.sqrt(len(gaps))


def test_image_align_of_pictures_with_themselves_leaves_out_the_self_pairs():
    x = features(5)
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    others = [np.mean([u[i] @ u[j] for j in range(5) if j != i]) for i in range(5)]
    np.testing.assert_allclose(functional.image_align(x, x, same=True), others)


def test_diversity_is_the_mean_distance_to_the_other_pictures_of_a_prompt():
    x = np.array([[1.0, 0], [0, 1], [1, 0], [1, 0], [0, 1]])
    np.testing.assert_allclose(functional.diversity(x, [0, 0, 1, 1, 1]), [1, 1, 0.5, 0.5, 1])
    assert np.isnan(functional.diversity(x, [0, 0, 1, 1, 2])[4]), "alone in its prompt"


def test_copying_flags_training_pictures_and_about_one_in_twenty_fresh_ones():
    training, real = features(5, 64), features(400, 64, seed=1)
    assert functional.copying(training + 1e-3, training, real).all()
    fresh = functional.copying(features(4000, 64, seed=2), training, real)
    assert fresh.mean() == pytest.approx(0.05, abs=0.02)


def test_a_real_picture_that_is_a_training_picture_does_not_raise_the_level_of_copying():
    training = features(5, 64)
    own_folder = np.concatenate([training, features(3, 64, seed=3)])
    assert functional.copying(training + 1e-3, training, own_folder).all()


def test_the_frechet_distance_is_that_of_the_formula_and_zero_between_equals():
    x, y = features(50, 6), features(70, 6, seed=1, shift=0.4)
    c, d = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    by_formula = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(c + d - 2 * sqrtm(c @ d).real)
    assert functional.frechet(x, y) == pytest.approx(by_formula, rel=1e-6)
    assert functional.frechet(x, x) == pytest.approx(0, abs=1e-6)


def test_unit_norm_features_flatten_the_cubic_kernel_which_is_why_kid_sees_raw_ones():
    x, y = features(40, 256), features(40, 256, seed=1, shift=0.5)
    assert functional.kid(x, y) > 100 * functional.kid(functional.unit(x), functional.unit(y))


def test_kid_is_the_full_sample_and_free_to_be_negative():
    values = [functional.kid(features(5, seed=k), features(5, seed=k + 500)) for k in range(200)]
    assert 0.2 < np.mean(np.array(values) < 0) < 0.8
    assert functional.kid(features(5), features(5, seed=1)) == functional.kid(features(5), features(5, seed=1))
