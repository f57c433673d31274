"""Metrics as pure functions of features, in float64. Features are (n, d), one row per picture.

All raise ValueError for features of another shape, of too few pictures, or that are not finite: a comparison with NaN
is false, and the least of several NaN is the first, so shares of such features would look like results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..protocol import Features
from ..wording import counted


def _checked(x: ArrayLike, least: int) -> Features:
    features = np.asarray(x, dtype=np.float64)
    if features.ndim != 2 or len(features) < least:
        raise ValueError(f"features must have shape (n, d) with n >= {least}, got {features.shape}")
    if not np.isfinite(features).all():
        raise ValueError(f"features must be finite, got NaN or infinity for {_rows_with(~np.isfinite(features))}")
    return features


def _rows_with(marked: NDArray[np.bool_]) -> str:
    """How many rows (n, d) have a mark."""
    return f"{int(marked.any(axis=1).sum())} of {counted(len(marked), 'picture')}"


def _squared_discrepancy(x: ArrayLike, y: ArrayLike, degree: int) -> float:
    """Unbiased squared MMD of (m, d) and (n, d) with the kernel (x·y/d + 1)^degree.

    Gretton et al. 2012, eq. 3: the within-sample means leave out the pairs of a row with itself.
    """
    x, y = _checked(x, 2), _checked(y, 2)
    m, n, d = len(x), len(y), x.shape[1]
    kxx, kyy, kxy = ((a @ b.T / d + 1) ** degree for a, b in ((x, x), (y, y), (x, y)))
    within_x = (kxx.sum() - np.trace(kxx)) / (m * (m - 1))
    within_y = (kyy.sum() - np.trace(kyy)) / (n * (n - 1))
    return float(within_x + within_y - 2 * kxy.mean())


def _paired_discrepancy(x: ArrayLike, y: ArrayLike, degree: int) -> float:
    """The same for paired samples (n, d): row k of both was sampled from the same prompt and noise.

    Gretton et al. 2012, lemma 6: the mean between the samples leaves out these pairs too, so that the result is 0,
    not negative, if nothing has changed.
    """
    x, y = _checked(x, 2), _checked(y, 2)
    n, d = len(x), x.shape[1]
    if len(y) != n:
        raise ValueError(f"paired samples must have equal sizes, got {n} and {len(y)}")
    kxx, kyy, kxy = ((a @ b.T / d + 1) ** degree for a, b in ((x, x), (y, y), (x, y)))
    h = kxx + kyy - kxy - kxy.T
    return float((h.sum() - np.trace(h)) / (n * (n - 1)))


def drift_mmd(x: ArrayLike, y: ArrayLike) -> float:
    """Unbiased squared MMD, quadratic kernel, of samples (n, d) for equal prompts and noises; 0 if nothing changed."""
    return _paired_discrepancy(x, y, 2)


def drift_kid(x: ArrayLike, y: ArrayLike) -> float:
    """The same as :func:`drift_mmd` with the cubic kernel of KID."""
    return _paired_discrepancy(x, y, 3)


def mmd(x: ArrayLike, y: ArrayLike) -> float:
    """Unbiased squared MMD with a quadratic kernel, of (m, d) and (n, d); it can be slightly negative."""
    return _squared_discrepancy(x, y, 2)


def kid(x: ArrayLike, y: ArrayLike) -> float:
    """Kernel Inception Distance of (m, d) and (n, d): cubic kernel, no subsets (Bińkowski et al., 2018)."""
    return _squared_discrepancy(x, y, 3)


def unit(x: ArrayLike) -> Features:
    """The rows (n, d), scaled to length 1."""
    features = _checked(x, 1)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    if not lengths.all():
        raise ValueError(f"features must not be zero, which has no cosine, got zero for {_rows_with(lengths == 0)}")
    scaled: Features = features / lengths
    return scaled


def image_align(generated: ArrayLike, real: ArrayLike, *, same: bool = False) -> Features:
    """The mean cosine of each generated picture (m, d) with all real ones (n, d); (m,) in [-1, 1].

    With ``same``, both are the same pictures in the same order, and no picture is compared with itself.
    """
    cosines = unit(generated) @ unit(real).T
    if not same:
        return np.asarray(cosines.mean(axis=1))
    return np.asarray((cosines.sum(axis=1) - np.diag(cosines)) / (len(cosines) - 1))


def text_align(generated: ArrayLike, text: ArrayLike) -> Features:
    """The cosine of each picture (m, d) with the text in the same row (m, d); (m,) in [-1, 1]."""
    cosines: Features = (unit(generated) * unit(text)).sum(axis=1)
    return cosines


def diversity(generated: ArrayLike, groups: ArrayLike) -> Features:
    """The mean of 1 - cosine of each picture (m, d) with the others of its group; (m,) in [0, 2].

    ``groups`` (m,) are labels. The mean over a group is its mean pairwise distance; NaN for a group of one.
    """
    cosines, of = unit(generated) @ unit(generated).T, np.asarray(groups)
    others = (of[:, None] == of) & ~np.eye(len(of), dtype=bool)
    with np.errstate(invalid="ignore"):
        return np.asarray(1 - (cosines * others).sum(axis=1) / others.sum(axis=1))


def copying(generated: ArrayLike, training: ArrayLike, real: ArrayLike, share: float = 0.05) -> Features:
    """Whether pictures (m, d) are closer to a training picture (k, d) than nearly all real ones (n, d): 1 or 0, (m,).

    Closeness is the cosine with the nearest training picture. The threshold is exceeded by ``share`` of the real
    pictures, so new pictures of the concept itself would be marked that often. A real picture that is also a training
    picture is not compared with itself.
    """
    learned = unit(training)
    known = unit(real)
    cosines = np.where((known[:, None] == learned[None]).all(axis=2), -1.0, known @ learned.T)
    level = np.quantile(cosines.max(axis=1), 1 - share)
    return np.asarray(((unit(generated) @ learned.T).max(axis=1) > level).astype(np.float64))


def frechet(x: ArrayLike, y: ArrayLike) -> float:
    """The Fréchet distance of Gaussians fitted to (m, d) and (n, d), from torchmetrics; FID for Inception features.

    It is biased upwards for few pictures (Chong and Forsyth, 2020): compare samples of equal size only.
    """
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    features = torch.from_numpy(_checked(x, 2)), torch.from_numpy(_checked(y, 2))
    through = torch.nn.Identity()
    through.num_features = features[0].shape[1]  # type: ignore[assignment]  # torchmetrics reads it
    fid = FrechetInceptionDistance(feature=through).set_dtype(torch.float64)
    for real, values in zip((True, False), features, strict=True):
        fid.update(values, real=real)
    return float(fid.compute())


def identity(generated: ArrayLike, candidates: Sequence[ArrayLike]) -> Features:
    """Whether pictures (m, d) are nearest to candidate 0: 1 or 0, (m,).

    ``candidates`` are reference pictures (n_c, d), one array per candidate. The distance is that of linear
    discriminant analysis: to the candidate's mean, under the common within-candidate covariance, which reduces the
    influence of pose and place. Raises ValueError where no candidate's pictures vary, which leaves no distance.
    """
    return np.asarray(nearest(generated, candidates) == 0, dtype=np.float64)


def nearest(generated: ArrayLike, candidates: Sequence[ArrayLike]) -> NDArray[np.int64]:
    """The candidate that each picture (m, d) is nearest to, as in :func:`identity`; (m,)."""
    means, white = discriminant(candidates)
    gaps = white(_checked(generated, 1))[:, None] - white(means)[None]
    return np.asarray(np.square(gaps).sum(axis=2).argmin(axis=1))


def outcomes(generated: ArrayLike, kinds: Mapping[str, Sequence[ArrayLike]]) -> NDArray[np.str_]:
    """The kind of the candidate that each picture (m, d) is nearest to; (m,).

    ``kinds``: by kind, any number of candidates, of which each is reference pictures (n_c, d). There is one decision
    among all candidates of all kinds, so the shares of the kinds add up to 1.
    """
    names = np.array([kind for kind, candidates in kinds.items() for _ in candidates])
    return names[nearest(generated, [one for candidates in kinds.values() for one in candidates])]


def discriminant(groups: Sequence[ArrayLike]) -> tuple[Features, Whiten]:
    """The means (g, d) of groups of features (n_g, d), and the map that whitens their common covariance."""
    features = [_checked(g, 2) for g in groups]
    means = np.stack([f.mean(axis=0) for f in features])
    spread = np.concatenate([f - m for f, m in zip(features, means, strict=True)])
    return means, whitening(spread)


def _principal(spread: Features) -> tuple[Features, Features]:
    """Squared singular values (k,) and right singular vectors (k, d) of rows (n, d), from the smaller Gram matrix."""
    few = len(spread) <= spread.shape[1]
    squared, vectors = np.linalg.eigh(spread @ spread.T if few else spread.T @ spread)
    kept = squared > 1e-10 * squared[-1]
    chosen = vectors[:, kept].T
    return squared[kept], chosen @ spread / np.sqrt(squared[kept])[:, None] if few else chosen


class Whiten(Protocol):
    """A map of features (n, d) to (n, d): the inverse square root of a covariance with shrinkage in (0, 1]."""

    def __call__(self, x: Features, shrinkage: float = 0.1) -> Features:
        """Whitened features (n, d)."""
        ...


def whitening(spread: Features) -> Whiten:
    """The map x -> S^(-1/2) x with S = (1 - s) C + s tr(C)/d I, where C is the covariance of centred rows (n, d).

    C has rank n at most. S is inverted on the span of the rows and is a multiple of I on its complement, which is
    exact, and cheaper than a d × d inverse if there are few rows.
    """
    squared, basis = _principal(spread)
    variance = squared / len(spread)
    if not len(variance):
        raise ValueError("features must vary, got equal ones for all pictures of each group")

    def white(x: Features, shrinkage: float = 0.1) -> Features:
        floor = shrinkage * variance.sum() / spread.shape[1]
        inside, beside = 1 / np.sqrt((1 - shrinkage) * variance + floor), 1 / np.sqrt(floor)
        y: Features = beside * x + ((x @ basis.T) * (inside - beside)) @ basis
        return y

    return white
