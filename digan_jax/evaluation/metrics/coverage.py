"""Do samples copy real clips, are they like them, and do they cover them? On two sets of features. Pure.

All four numbers rest on balls around each point that reach to its k-th nearest neighbour of the same set.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.distance import cdist  # float64, whatever comes in

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
    """Part of the samples within a real ball, and part of the real clips within a sample's (Kynkäänniemi et al. 2019).

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
    """Real balls that a sample lies in, over k, and part of the real balls with a sample (Naeem et al. 2020).

    Raises:
      InputError: k real clips or fewer.
    """
    inside = cdist(real, fake) < _radii(real, k)[:, None]
    return float(inside.sum(0).mean() / k), float(inside.any(1).mean())


def nearest(a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m d"]) -> tuple[Int[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Index and distance of the nearest row of `b` to each row of `a`."""
    found = cdist(a, b)
    index = found.argmin(1)
    return index, found[np.arange(len(a)), index]
