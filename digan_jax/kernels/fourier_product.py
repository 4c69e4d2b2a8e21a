"""Fourier features times a matrix, on a folded grid."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from digan_jax.grids import Grid, Level
from digan_jax.shapes import Array


def sides(grid: Grid) -> int:
    """2 if the grid can be folded, else 1: an odd number of rows, or in an exported program any number."""
    rows = grid.levels[0].y.shape[-1]
    return 2 if isinstance(rows, int) and rows % 2 == 0 else 1


def unfold(x: Float[Array, "b s h w t c"]) -> Float[Array, "b t s*h w c"]:
    """Frames from the order of a folded grid."""
    upper, *lower = jnp.moveaxis(x, (1, 4), (0, 2))
    return jnp.concatenate([upper, *(jnp.flip(side, (2, 3)) for side in lower)], axis=2)


class Waves(NamedTuple):
    """Fourier features in factors: the angle at a pixel, less that at the middle of the grid, is the sum of a part along
    columns and a part along rows."""

    columns: Float[Array, "b w 2 f"]  # cos, sin
    rows: Float[Array, "b h 2 f"]  # of side 0
    phases: Float[Array, "b t 2 f"]  # of the angle at the middle
    sides: int


def waves(frequency: Float[Array, "b f 2"], phase: Float[Array, "b t f"], level: Level, sides: int) -> Waves:
    """Factors of [sin, cos](F·(x, y) + phase(t)) at every node (paper, eq. 4)."""

    def along(nodes: Float[Array, "*n nodes"], frequency: Float[Array, "b f"]):
        nodes = jnp.atleast_2d(nodes)
        middle = (nodes[:, :1] + nodes[:, -1:]) / 2
        return frequency[:, None] * (nodes - middle)[:, :, None], frequency * middle

    columns, x_middle = along(level.x, frequency[:, :, 0])
    rows, y_middle = along(level.y, frequency[:, :, 1])
    angles = columns, rows[:, : rows.shape[1] // sides], phase + (x_middle + y_middle)[:, None]
    # Stacked, and so evaluated once: XLA:CPU draws a cosine by itself into what uses it, for every pixel anew.
    return Waves(*(jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=2) for angle in angles), sides)


def multiply_waves(waves: Waves, weight: Float[Array, "b features o"], dtype) -> Float[Array, "b s h w t o"]:
    """The Fourier features [sin, cos] of all pixels times a matrix for each clip.

    No transcendental is evaluated for a pixel, and half of the multiplications are left. With p the angle at the middle
    of the grid and p + a that at a pixel,
      S sin(p + a) + C cos(p + a) = (S sin p + C cos p) cos a + (S cos p - C sin p) sin a,
    an even function of a and an odd one. At the mirror image of a pixel stands -a: both parts are multiplied for side 0
    and all frames at once; their sum is its result, their difference that of side 1.
    """
    b, h, _, f = waves.rows.shape
    w, t, o = waves.columns.shape[1], waves.phases.shape[1], weight.shape[-1]
    cos, sin = jnp.moveaxis(waves.phases, (2, 3), (0, 2))[..., None]  # [b f t 1]
    of_sin, of_cos = weight[:, :f, None], weight[:, f:, None]  # [b f 1 o]
    matrices = jnp.stack([of_sin * sin + of_cos * cos, of_sin * cos - of_cos * sin], axis=1).reshape(b, 2, f, t * o)
    features = _of_pixels(waves.columns, waves.rows)
    parts = jnp.matmul(features.astype(dtype), matrices.astype(dtype), preferred_element_type=jnp.float32)
    return _sum_and_difference(parts.reshape(b, 2, h, w, t, o))[:, : waves.sides]


@jax.custom_vjp
def _sum_and_difference(x: Float[Array, "b 2 h w t o"]) -> Float[Array, "b 2 h w t o"]:
    """Its own transpose; autodiff's, a sum over an axis of two, takes XLA:CPU seven times as long."""
    signs = np.array([1, -1], np.float32).reshape(1, 2, 1, 1, 1, 1)
    return x[:, :1] + signs * x[:, 1:]


_sum_and_difference.defvjp(lambda x: (_sum_and_difference(x), None), lambda _, g: (_sum_and_difference(g),))


@jax.checkpoint  # else the broadcast factors are kept for the backward pass
def _of_pixels(columns: Float[Array, "b w 2 f"], rows: Float[Array, "b h 2 f"]) -> Float[Array, "b 2 n f"]:
    """Cosine and sine of the angle at a pixel, less that at the middle, from the addition theorem."""
    cos_x, sin_x = jnp.moveaxis(columns[:, None], 3, 0)
    cos_y, sin_y = jnp.moveaxis(rows[:, :, None], 3, 0)
    features = jnp.stack([cos_x * cos_y - sin_x * sin_y, sin_x * cos_y + cos_x * sin_y], axis=1)
    return features.reshape(*features.shape[:2], -1, features.shape[-1])


def upsample(x: Float[Array, "b s h w t c"], repeat: int) -> Float[Array, "b s h*{repeat} w*{repeat} t c"]:
    """Nearest upsampling by a whole factor along rows and columns."""
    if repeat == 1:
        return x
    b, s, h, w, t, c = x.shape
    spread = jnp.broadcast_to(x[:, :, :, None, :, None], (b, s, h, repeat, w, repeat, t, c))
    return spread.reshape(b, s, h * repeat, w * repeat, t, c)
