"""Where a level of the generator looks, and the Fourier features it sees there.

The plane of a frame: the trained frame spans [-1, 1] edge to edge, x to the right, y up. A trained r-grid has its
nodes on the left and lower corners of its cells, so the node of a pixel centred at (X, Y) is (X - 1/r, Y - 1/r).
"""

from __future__ import annotations

import dataclasses
from functools import partial

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
    """The nodes of one level, and how often the level before is repeated along each axis to reach it."""

    x: Float[Array, "w"]  # of columns, left to right
    y: Float[Array, "h"]  # of rows, top to bottom
    repeat: int  # 2: nearest upsampling; 1: the level before has the same nodes


@partial(jax.tree_util.register_dataclass, data_fields=["levels"], meta_fields=[])
@dataclasses.dataclass(frozen=True)
class Grid:
    """A pyramid of levels 32, 64, ... R. Its coordinates are data: grids of equal sizes share one compiled program."""

    levels: tuple[Level, ...]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the picture."""
        return self.levels[-1].x.shape[0], self.levels[-1].y.shape[0]


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
        x, y = _nodes(r, s * r, s * r, FULL)
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
    return Grid(tuple(Level(*_nodes(r, width, height, region), repeat=1) for r in pyramid(resolution)))


def _nodes(r: int, width: int, height: int, region) -> tuple[np.ndarray, np.ndarray]:
    x0, y0, x1, y1 = region
    x = x0 + (x1 - x0) * (np.arange(width) + 0.5) / width
    y = y1 - (y1 - y0) * (np.arange(height) + 0.5) / height
    return (x - 1 / r).astype(np.float32), (y - 1 / r).astype(np.float32)


def fourier_features(
    frequency: Float[Array, "b f 2"], phase: Float[Array, "b t f"], x: Float[Array, "w"], y: Float[Array, "h"]
) -> Float[Array, "b t h w 2*f"]:
    """[sin, cos] of F·(x, y) + phase(t) at every node (paper, eq. 4).

    The angle splits into a part along columns and a part along rows and time, so the addition theorem makes every
    pixel from two short vectors: no transcendental is evaluated for a pixel.
    """
    along_x = frequency[:, None, None, None, :, 0] * x[None, None, None, :, None]  # [b 1 1 w f]
    along_y = frequency[:, None, None, None, :, 1] * y[None, None, :, None, None] + phase[:, :, None, None, :]  # [b t h 1 f]
    sin_x, cos_x, sin_y, cos_y = jnp.sin(along_x), jnp.cos(along_x), jnp.sin(along_y), jnp.cos(along_y)
    return jnp.concatenate([sin_x * cos_y + cos_x * sin_y, cos_x * cos_y - sin_x * sin_y], axis=-1)


def upsample(x: Float[Array, "b t h w c"], repeat: int) -> Float[Array, "b t h*{repeat} w*{repeat} c"]:
    """Nearest upsampling by a whole factor along rows and columns."""
    if repeat == 1:
        return x
    b, t, h, w, c = x.shape
    spread = jnp.broadcast_to(x[:, :, :, None, :, None], (b, t, h, repeat, w, repeat, c))
    return spread.reshape(b, t, h * repeat, w * repeat, c)
