"""Where a level of the generator looks, and the Fourier features it sees there.

The plane of a frame: the trained frame spans [-1, 1] edge to edge, x to the right, y up. A trained r-grid has its
nodes on the left and lower corners of its cells, so the node of a pixel centred at (X, Y) is (X - 1/r, Y - 1/r).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from digan_jax.errors import InputError
from digan_jax.shapes import Array

BASE = 32  # the blocks of resolution 4, 8, 16 and 32 share one grid of this many nodes a side
FULL = (-1.0, -1.0, 1.0, 1.0)  # (x0, y0, x1, y1) of the trained frame


@partial(jax.tree_util.register_dataclass, data_fields=["x", "y"], meta_fields=["repeat"])
@dataclasses.dataclass(frozen=True)
class Level:
    """The nodes of one level, and how often the level before is repeated along each axis to reach it.

    With a leading axis each clip has nodes of its own, as when a camera moves and every frame is drawn as a clip.
    """

    x: Float[Array, "*clips w"]  # of columns, left to right
    y: Float[Array, "*clips h"]  # of rows, top to bottom
    repeat: int  # 2: nearest upsampling; 1: the level before has the same nodes


@partial(jax.tree_util.register_dataclass, data_fields=["levels"], meta_fields=["enlarge"])
@dataclasses.dataclass(frozen=True)
class Grid:
    """A pyramid of levels 32, 64, ... R. Its coordinates are data: grids of equal sizes share one compiled program.

    A pyramid may stop early; `enlarge` then says how often each pixel of its last level is repeated along each axis.
    """

    levels: tuple[Level, ...]
    enlarge: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the picture."""
        last = self.levels[-1]
        return last.x.shape[-1] * self.enlarge, last.y.shape[-1] * self.enlarge

    def up_to(self, resolution: int) -> Grid:
        """The same picture from the levels up to `resolution` alone: quicker and coarser."""
        kept = self.levels[: len(pyramid(resolution))]
        return Grid(kept, self.enlarge * math.prod(level.repeat for level in self.levels[len(kept) :]))


def stack(grids: Sequence[Grid]) -> Grid:
    """One grid with a leading axis, grid i for clip i; all of one size and mode."""
    return jax.tree.map(lambda *nodes: np.stack(nodes), *grids)


def pyramid(resolution: int) -> list[int]:
    """Resolutions of the levels: [32, 64, ... resolution]."""
    return [BASE << i for i in range((resolution // BASE).bit_length())]


def native(resolution: int) -> Grid:
    """The trained pyramid (paper's release: column j at 2j/r - 1, row i at 2(r-1-i)/r - 1)."""
    return scaled(resolution, 1)


def scaled(resolution: int, s: int) -> Grid:
    """The trained pyramid with s times the nodes at every level; s = 1 is `native`, bit for bit."""
    if s < 1:
        raise InputError(f"scale {s}: a scaled grid needs a whole factor of 1 or more.")
    levels = []
    for r in pyramid(resolution):
        x, y = (_nodes(r, centres) for centres in _centres(s * r, s * r, FULL))
        levels.append(Level(x, y, repeat=1 if r == BASE else 2))
    return Grid(tuple(levels))


def smooth(resolution: int, width: int, height: int, region: tuple[float, float, float, float] = FULL) -> Grid:
    """Every level at every pixel of a width x height picture of `region`: no upsampling is left, each pixel is a
    function of its own (x, y, t), and windows and tiles of one picture agree."""
    x0, y0, x1, y1 = region
    if width < 1 or height < 1:
        raise InputError(f"size {width}x{height}: a picture needs at least one pixel a side.")
    if not (np.all(np.isfinite(region)) and x0 < x1 and y0 < y1):
        raise InputError(f"region {region}: needs finite x0 < x1 and y0 < y1; the trained frame is -1,-1,1,1.")
    return at_centres(resolution, *_centres(width, height, region))


def _centres(width: int, height: int, region) -> tuple[np.ndarray, np.ndarray]:
    """Of the columns and rows of pixels."""
    x0, y0, x1, y1 = region
    x = x0 + (x1 - x0) * (np.arange(width) + 0.5) / width
    y = y1 - (y1 - y0) * (np.arange(height) + 0.5) / height
    return x, y


def _nodes(r: int, centres: Float[Array, "n"]) -> Float[Array, "n"]:
    return (centres - 1 / r).astype(np.float32)


def at_centres(resolution: int, x: Float[Array, "w"], y: Float[Array, "h"]) -> Grid:
    """Every level at pixels with these centres on the plane."""
    return Grid(tuple(Level(_nodes(r, x), _nodes(r, y), repeat=1) for r in pyramid(resolution)))


class Waves(NamedTuple):
    """Fourier features in factors: sin and cos of the angle along columns and of the angle along rows and time."""

    columns: Float[Array, "b w 2 f"]  # sin, cos
    rows: Float[Array, "b t h 2 f"]  # cos, sin


def waves(
    frequency: Float[Array, "b f 2"], phase: Float[Array, "b t f"], x: Float[Array, "*n w"], y: Float[Array, "*n h"]
) -> Waves:
    """Factors of [sin, cos](F·(x, y) + phase(t)) at every node (paper, eq. 4): the angle splits into a part along
    columns and a part along rows and time."""
    along_x = frequency[:, None, :, 0] * jnp.atleast_2d(x)[:, :, None]
    along_y = frequency[:, None, None, :, 1] * jnp.atleast_2d(y)[:, None, :, None] + phase[:, :, None, :]
    return Waves(
        jnp.stack([jnp.sin(along_x), jnp.cos(along_x)], axis=2),
        jnp.stack([jnp.cos(along_y), jnp.sin(along_y)], axis=3),
    )


def multiply_waves(waves: Waves, weight: Float[Array, "b features o"], dtype) -> Float[Array, "b t h w o"]:
    """The Fourier features [sin, cos] of all pixels times a matrix for each clip.

    No transcendental is evaluated for a pixel. With a the angle of a column and b that of a row and time, the addition
    theorem gives either the features of all pixels from products of the factors,
      sin(a + b) = sin a cos b + cos a sin b,   cos(a + b) = cos a cos b - sin a sin b,
    or a matrix for each column, which multiplies the factors of rows and times:
      S sin(a + b) + C cos(a + b) = (S sin a + C cos a) cos b + (S cos a - C sin a) sin b.
    Both are one matrix product for a clip, of as many multiplications; the smaller one is made.
    """
    b, t, h, _, f = waves.rows.shape
    w, o = waves.columns.shape[1], weight.shape[-1]
    if isinstance(t * h, int) and t * h < o:  # in an exported program of any size no number
        left, right = _of_pixels(*waves), weight
    else:
        left, right = waves.rows.reshape(b, t * h, 2 * f), _of_columns(waves.columns, _made(weight))
    y = jnp.matmul(left.astype(dtype), right.astype(dtype), preferred_element_type=jnp.float32)
    return y.reshape(b, t, h, w, o)


# Of both, else the broadcast factors are kept for the backward pass, several times the size of what they make.
@jax.checkpoint
def _of_pixels(columns: Float[Array, "b w 2 f"], rows: Float[Array, "b t h 2 f"]) -> Float[Array, "b n features"]:
    """The Fourier features of all pixels: sines, then cosines."""
    sin_x, cos_x = jnp.moveaxis(columns[:, None, None], 4, 0)
    cos_y, sin_y = jnp.moveaxis(rows[:, :, :, None], 4, 0)
    features = jnp.stack([sin_x * cos_y + cos_x * sin_y, cos_x * cos_y - sin_x * sin_y], axis=-2)
    return features.reshape(rows.shape[0], -1, 2 * rows.shape[-1])


@jax.checkpoint
def _of_columns(columns: Float[Array, "b w 2 f"], weight: Float[Array, "b features o"]) -> Float[Array, "b features n"]:
    """The matrices of all columns: the factors of cos b, then those of sin b."""
    sin_x, cos_x = jnp.moveaxis(columns, 2, 0).swapaxes(2, 3)[..., None]  # [b f w 1]
    f = columns.shape[-1]
    of_sin, of_cos = weight[:, :f, None, :], weight[:, f:, None, :]  # [b f 1 o]
    matrices = jnp.concatenate([of_sin * sin_x + of_cos * cos_x, of_sin * cos_x - of_cos * sin_x], axis=1)
    return matrices.reshape(weight.shape[0], 2 * f, -1)


def _made(weight: Float[Array, "b i o"]) -> Float[Array, "b i o"]:
    """The same: a product with ones on the diagonal, which XLA:CPU does not draw into what comes after it. Without it
    weights are modulated and normalised anew for each column; a barrier is gone before XLA:CPU fuses."""
    return jnp.matmul(weight, jnp.eye(weight.shape[-1]), precision=jax.lax.Precision.HIGHEST)


def upsample(x: Float[Array, "b t h w c"], repeat: int) -> Float[Array, "b t h*{repeat} w*{repeat} c"]:
    """Nearest upsampling by a whole factor along rows and columns."""
    if repeat == 1:
        return x
    b, t, h, w, c = x.shape
    spread = jnp.broadcast_to(x[:, :, :, None, :, None], (b, t, h, repeat, w, repeat, c))
    return spread.reshape(b, t, h * repeat, w * repeat, c)
