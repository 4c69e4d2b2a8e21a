"""Overlapping windows along an axis, and the share that each has in a place: pictures of windows meet without a seam."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def starts(total: float, size: float, overlap: float) -> list[float]:
    """Where windows of one size begin so that they cover [0, total] and overlap by at least `overlap`.

    The last one ends at `total`. A single window at 0 where the size suffices.
    """
    if total <= size:
        return [0]
    count = math.ceil((total - size) / (size - overlap)) + 1
    return [min(i * (size - overlap), total - size) for i in range(count)]


def shares(
    places: Float[np.ndarray, "p"], starts: Sequence[float], size: float, overlap: float
) -> Float[np.ndarray, "windows p"]:
    """The share of each window at each place: linear over the overlaps, summing to 1 over windows.

    The first window reaches to all places before it, the last to all behind it.
    """
    rows = []
    for i, start in enumerate(starts):
        begun, left = places - start, start + size - places
        rise, fall = (np.clip(x / overlap, 0, 1) if overlap else (x >= 0).astype(float) for x in (begun, left))
        rows.append((1.0 if i == 0 else rise) * (1.0 if i == len(starts) - 1 else fall) * np.ones_like(places))
    weights = np.stack(rows)
    return weights / weights.sum(axis=0)
