"""Precision, recall, density, coverage and nearest neighbours of two sets of features. numpy, pure.

The first four use the ball around each point whose radius is the distance to its k-th nearest neighbour in its own set.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.distance import cdist  # computes in float64

from digan_jax.errors import InputError

K_PRECISION = 3  # Kynkäänniemi et al. 2019 (arXiv 1904.06991)
K_DENSITY = 5  # Naeem et al. 2020 (arXiv 2002.09797)


def _radii(x: np.ndarray, k: int) -> np.ndarray:
    """Distance of each point to its k-th nearest other point."""
    if len(x) <= k:
        raise InputError(f"{len(x)} clips: neighbours of rank {k} need {k + 1} or more.")
    return np.partition(cdist(x, x), k, axis=1)[:, k]


def precision_recall(
    real: Float[np.ndarray, "n d"], fake: Float[np.ndarray, "m d"], k: int = K_PRECISION
) -> tuple[float, float]:
    """Precision: fraction of samples in a real ball. Recall: fraction of real clips in a sample's ball. In [0, 1].

    Kynkäänniemi et al. 2019, arXiv 1904.06991.

    Raises:
      InputError: k clips or fewer in either set.
    """
    between = cdist(real, fake)
    return (
        float((between <= _radii(real, k)[:, None]).any(0).mean()),
        float((between <= _radii(fake, k)[None]).any(1).mean()),
    )


def density_coverage(
    real: Float[np.ndarray, "n d"], fake: Float[np.ndarray, "m d"], k: int = K_DENSITY
) -> tuple[float, float]:
    """Density: mean number of real balls that contain a sample, over k. Coverage: fraction of real balls with a sample.

    Naeem et al. 2020, arXiv 2002.09797. Density may exceed 1.

    Raises:
      InputError: k real clips or fewer.
    """
    inside = cdist(real, fake) < _radii(real, k)[:, None]
    return float(inside.sum(0).mean() / k), float(inside.any(1).mean())


def nearest(
    a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m d"]
) -> tuple[Int[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Index and Euclidean distance of the row of `b` nearest to each row of `a`."""
    distances = cdist(a, b)
    index = distances.argmin(1)
    return index, distances[np.arange(len(a)), index]
