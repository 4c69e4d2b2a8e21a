"""Distances between two sets of features: Fréchet distance and unbiased polynomial MMD. numpy, float64."""

from __future__ import annotations

import numpy as np

from digan_jax.errors import InputError

_ROWS = 2048  # rows of a kernel matrix computed at a time


def _features(*sets) -> list[np.ndarray]:
    sets = [np.asarray(x, np.float64) for x in sets]
    for x in sets:
        if x.ndim != 2 or len(x) < 2:
            raise InputError(f"features of shape {x.shape}: give [samples, features] with 2 samples or more.")
        if not np.isfinite(x).all():
            raise InputError(f"{np.sum(~np.isfinite(x))} features are not finite: look for NaN in the videos.")
    if len({x.shape[1] for x in sets}) != 1:
        raise InputError(f"features of widths {[x.shape[1] for x in sets]}: both sets must come from one network.")
    return sets


def frechet_distance(real: np.ndarray, fake: np.ndarray) -> float:
    """Fréchet distance of Gaussians fitted to features [n d] and [m d] (Dowson and Landau 1982; Heusel et al. 2017).

    |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁Σ₂)^½, covariances with n − 1. Let Σᵢ = RᵢᵀRᵢ, Rᵢ the triangular QR factor of
    the centred samples. Then the eigenvalues of Σ₁Σ₂ are the squared singular values of R₁R₂ᵀ, and the last trace is
    the sum of these singular values. Unlike a matrix square root, it stays real for singular covariances (n < d).

    Raises:
      InputError: fewer than 2 samples, different feature widths, or values that are not finite.
    """
    real, fake = _features(real, fake)
    factors, spread = [], 0.0
    for x in (real, fake):
        centred = (x - x.mean(0)) / np.sqrt(len(x) - 1)
        spread += np.sum(centred**2)
        factors.append(np.linalg.qr(centred, mode="r"))
    shared = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    return float(np.sum((real.mean(0) - fake.mean(0)) ** 2) + spread - 2 * shared)


def polynomial_mmd(real: np.ndarray, fake: np.ndarray) -> float:
    """Unbiased squared MMD of features [n d] and [m d] with the kernel (x·y/d + 1)³ (KID, Bińkowski et al. 2018).

    May be negative.

    Raises:
      InputError: as `frechet_distance`.
    """
    real, fake = _features(real, fake)

    def sum_of_kernel(x, y):
        """Computed in blocks of rows: the kernel matrix of 10,000 clips would take gigabytes."""
        parts = (x[start : start + _ROWS] for start in range(0, len(x), _ROWS))
        return sum(float(((part @ y.T / x.shape[1] + 1) ** 3).sum()) for part in parts)

    def mean_of_pairs(x):
        own = (((x * x).sum(1) / x.shape[1] + 1) ** 3).sum()
        return (sum_of_kernel(x, x) - own) / (len(x) * (len(x) - 1))

    between = sum_of_kernel(real, fake) / (len(real) * len(fake))
    return float(mean_of_pairs(real) + mean_of_pairs(fake) - 2 * between)
