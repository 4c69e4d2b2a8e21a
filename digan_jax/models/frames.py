"""Frames as the networks of all families see them."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Float

from digan_jax.shapes import Array


def to_unit_range(frames: Array) -> Float[Array, "*n"]:
    """uint8 [0, 255] to float32 [-1, 1]; floats are returned as they are."""
    return frames.astype(jnp.float32) / 127.5 - 1 if frames.dtype == jnp.uint8 else frames


def halved(frames: Float[Array, "n h w c"]) -> Float[Array, "n _ _ c"]:
    """Means of 2 x 2 pixels; sides must be even."""
    n, h, w, c = frames.shape
    return frames.reshape(n, h // 2, 2, w // 2, 2, c).mean((2, 4))
