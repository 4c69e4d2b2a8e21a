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
    """The nodes of one level, evenly spaced, and how often the level before is repeated along each axis to reach it.

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


# The generator works on a folded grid, [b side row column t channel]: of an even number of rows the upper half is side 0,
# and side 1 is the lower half as its mirror image, point by point through the middle of the grid. Its layers never look
# at a neighbour, so the order is free, and `multiply_waves` makes both sides from half of the multiplications. Frames
# come after pixels: they share the Fourier features of a pixel up to their phase.


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
