"""Resizing for evaluation as two matrix products: half-pixel centres, no antialiasing, bilinear or cubic."""

from __future__ import annotations

import functools
import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from digan_jax.host import bilinear
from digan_jax.shapes import Array


@functools.lru_cache(maxsize=64)
def matrices(
    h: int, w: int, size: int, mode: str = "crop"
) -> tuple[Float[np.ndarray, "{size} {h}"], Float[np.ndarray, "{size} {w}"]]:
    """The matrices that resize rows and columns of an h x w frame to `size` pixels.

    Args:
      mode: "crop": bilinear; the shorter side becomes `size`, the longer one ⌈longer · size / shorter⌉, then centre
        crop. "squash": bilinear; both sides become `size`. "cubic": as "squash", by cubic convolution.
    """
    if mode == "cubic":
        return _cubic(h, size), _cubic(w, size)
    targets = [math.ceil(length * size / min(h, w)) if mode == "crop" else size for length in (h, w)]
    return bilinear.matrix(h, targets[0], size), bilinear.matrix(w, targets[1], size)


def _cubic(source: int, target: int, a: float = -0.75) -> np.ndarray:
    """The matrix [target source] of cubic convolution (Keys 1981) with OpenCV's a; edge pixels extend outside."""
    positions = (np.arange(target) + 0.5) * source / target - 0.5
    first = np.floor(positions).astype(int) - 1
    matrix = np.zeros((target, source), np.float32)
    for tap in range(4):
        d = np.abs(positions - (first + tap))
        near = (a + 2) * d**3 - (a + 3) * d**2 + 1
        far = a * (d**3 - 5 * d**2 + 8 * d - 4)
        np.add.at(matrix, (np.arange(target), np.clip(first + tap, 0, source - 1)), np.where(d <= 1, near, far))
    return matrix


def resize(
    clips: UInt8[Array, "n t h w c"], rows: Float[Array, "p h"], columns: Float[Array, "q w"]
) -> Float[Array, "n t p q c"]:
    """Frames resized by both matrices, float32 in [0, 255]."""
    x = jnp.einsum("ph,nthwc->ntpwc", rows, clips.astype(jnp.float32))
    return jnp.einsum("qw,ntpwc->ntpqc", columns, x)
