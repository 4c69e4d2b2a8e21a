"""Bilinear resizing with half-pixel centres, repeated edges and no antialiasing.

Output pixel i samples at `(i + ½) · n / size − ½` and mixes two source pixels per axis, for any ratio. PyTorch's
`interpolate` does the same, and the published numbers were made so. Pillow antialiases when it shrinks.
"""

from __future__ import annotations

import functools

import numpy as np
from jaxtyping import Float, Int, UInt8


@functools.lru_cache(maxsize=64)
def taps(
    n: int, size: int
) -> tuple[Int[np.ndarray, "{size}"], Int[np.ndarray, "{size}"], Float[np.ndarray, "{size}"]]:
    """The two source pixels of each output pixel, for an axis of n pixels resized to `size`.

    Returns:
      (first, second, weight): int64 indices [size] in [0, n - 1], and the float64 weight of the second in [0, 1].
    """
    position = np.clip((np.arange(size) + 0.5) * (n / size) - 0.5, 0, n - 1)
    first = position.astype(np.int64)
    return first, np.minimum(first + 1, n - 1), position - first


def bilinear(image: UInt8[np.ndarray, "h w 3"], height: int, width: int) -> UInt8[np.ndarray, "{height} {width} 3"]:
    """Resizes an image to height × width and rounds to uint8 [0, 255]."""
    (top, bottom, down), (left, right, across) = taps(image.shape[0], height), taps(image.shape[1], width)
    upper, lower = image[top], image[bottom]
    down, across = down.astype(np.float32)[:, None, None], across.astype(np.float32)[:, None]

    def blend(a, b, weight):  # float32 weights keep the sums float32
        return a + (b.astype(np.float32) - a) * weight

    rows = [blend(upper.take(x, 1), lower.take(x, 1), down) for x in (left, right)]
    return np.rint(blend(*rows, across)).astype(np.uint8)


def matrix(n: int, size: int, kept: int) -> Float[np.ndarray, "{kept} {n}"]:
    """The middle `kept` rows of the matrix [size n] that resizes an axis of n pixels to `size`, float32."""
    middle = slice((size - kept) // 2, (size - kept) // 2 + kept)
    first, second, weight = (of_all[middle] for of_all in taps(n, size))
    made = np.zeros((kept, n), np.float32)
    made[np.arange(kept), first] += 1 - weight
    made[np.arange(kept), second] += weight
    return made
