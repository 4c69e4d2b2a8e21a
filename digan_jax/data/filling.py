"""A first guess for hidden pixels of a clip, from visible ones: linear in time, else smooth in space."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float


def filled(maps: Float[np.ndarray, "s h w c"], visible: Float[np.ndarray, "s h w"]) -> Float[np.ndarray, "s h w c"]:
    """Maps whose hidden pixels (visible = 0) are filled by `guess`; visible ones stay as they are."""
    return np.stack([guess(maps, visible, place) for place in range(len(maps))])


def guess(
    maps: Float[np.ndarray, "s h w c"], visible: Float[np.ndarray, "s h w"], place: int
) -> Float[np.ndarray, "h w c"]:
    """One of the maps, filled.

    A pixel that is visible in other maps is linear in time between the nearest two, constant before the first and after
    the last. The others are then filled in space, `smooth`. All stay 0 where nothing is visible at all.
    """
    seen = visible > 0
    before, after = seen[place::-1].argmax(0), seen[place:].argmax(0)  # how far away the nearest are
    began, goes_on = seen[: place + 1].any(0), seen[place:].any(0)
    share = np.where(began & goes_on, before / np.maximum(before + after, 1), np.where(began, 0, 1)).astype(np.float32)
    of = lambda index: np.take_along_axis(maps, np.broadcast_to(index[None, ..., None], (1, *maps.shape[1:])), 0)[0]
    first, second = of(place - before * began), of(place + after * goes_on)
    mixed = first + share[..., None] * (second - first)
    found = began | goes_on
    return mixed if found.all() else smooth(np.where(found[..., None], mixed, 0), found)


def smooth(picture: Float[np.ndarray, "h w c"], seen: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w c"]:
    """A picture whose unseen pixels are filled from coarser means of seen ones (pull-push; Gortler et al. 1996)."""
    return _pulled(picture.astype(np.float32), seen.astype(np.float32)[..., None])


def _pulled(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    h, w, _ = x.shape
    if h == w == 1 or weight.all():
        return x * (weight > 0)
    odd = ((0, h % 2), (0, w % 2), (0, 0))
    cells = lambda y: (
        (padded := np.pad(y, odd)).reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2, -1).sum((1, 3))
    )
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
