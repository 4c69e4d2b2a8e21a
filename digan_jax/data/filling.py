"""A first guess for hidden pixels of a clip, from visible ones: linear in time, else smooth in space."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int


def filled(maps: Float[np.ndarray, "s h w c"], visible: Float[np.ndarray, "s h w"]) -> Float[np.ndarray, "s h w c"]:
    """Maps whose hidden pixels (visible = 0) are filled; visible ones stay as they are.

    A pixel that is visible in other frames is linear in time between the nearest two, constant before the first and
    after the last. The others are then filled in space, `smooth`. All stay 0 where nothing is visible at all.
    """
    seen = visible > 0
    before, after = nearest(seen), np.flip(len(seen) - 1 - nearest(np.flip(seen, 0)), 0)
    before, after = np.where(before < 0, after, before), np.where(after >= len(seen), before, after)
    found = seen.any(axis=0)
    before, after = (np.where(found, x, 0)[..., None] for x in (before, after))
    now = np.arange(len(seen)).reshape(-1, 1, 1, 1)
    share = np.where(after > before, (now - before) / np.maximum(after - before, 1), 0).astype(np.float32)
    first, second = (np.take_along_axis(maps, np.broadcast_to(x, maps.shape), axis=0) for x in (before, after))
    mixed = first + share * (second - first)
    return np.where(seen[..., None], maps, mixed if found.all() else np.stack([smooth(x, found) for x in mixed]))


def nearest(seen: Bool[np.ndarray, "s h w"]) -> Int[np.ndarray, "s h w"]:
    """The last frame up to each one where a pixel is seen; -1: none."""
    numbers = np.where(seen, np.arange(len(seen)).reshape(-1, 1, 1), -1)
    return np.maximum.accumulate(numbers, axis=0)


def smooth(picture: Float[np.ndarray, "h w c"], seen: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w c"]:
    """A picture whose unseen pixels are filled from coarser means of seen ones (pull-push; Gortler et al. 1996)."""
    return _pulled(picture.astype(np.float32), seen.astype(np.float32)[..., None])


def _pulled(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    h, w, _ = x.shape
    if h == w == 1 or weight.all():
        return x * (weight > 0)
    odd = ((0, h % 2), (0, w % 2), (0, 0))
    cells = lambda y: (padded := np.pad(y, odd)).reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2, -1).sum((1, 3))
    total = cells(weight)
    coarse = _pulled(cells(x * weight) / np.maximum(total, 1e-6), np.minimum(total, 1))
    return x * weight + (1 - weight) * _twice(coarse)[:h, :w]


def _twice(x: np.ndarray) -> np.ndarray:
    """Bilinear enlargement by 2, half-pixel centres."""
    for axis in (0, 1):
        n = x.shape[axis]
        padded = np.pad(x, [(1, 1) if a == axis else (0, 0) for a in range(3)], mode="edge")
        at = lambda first: np.take(padded, np.arange(first, first + n), axis)
        pair = np.stack([0.75 * x + 0.25 * at(0), 0.75 * x + 0.25 * at(2)], axis + 1)
        x = pair.reshape(*x.shape[:axis], 2 * n, *x.shape[axis + 1 :])
    return x
