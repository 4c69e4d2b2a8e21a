"""Coordinate grids: the points (x, y) at which each level of the generator is evaluated.

The trained frame spans [-1, 1] from edge to edge, x to the right, y up. The trained grid of resolution r has its nodes
at the lower left corners of pixels, so the node of a pixel centred at (X, Y) is (X - 1/r, Y - 1/r).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from functools import partial

import jax
import numpy as np
from jaxtyping import Float

from digan_jax.errors import InputError
from digan_jax.shapes import Array

BASE = 32  # resolution of the release's first level, which its blocks 4, 8, 16 and 32 share
FULL = (-1.0, -1.0, 1.0, 1.0)  # (x0, y0, x1, y1) of the trained frame


@partial(jax.tree_util.register_dataclass, data_fields=["x", "y"], meta_fields=["repeat"])
@dataclasses.dataclass(frozen=True)
class Level:
    """The evenly spaced nodes of one level, and the upsampling factor from the level below.

    With a leading axis each clip has its own nodes, as when a camera moves and every frame is drawn as its own clip.
    """

    x: Float[Array, "*clips w"]  # columns, left to right
    y: Float[Array, "*clips h"]  # rows, top to bottom
    repeat: int  # 2: nearest-neighbour upsampling from the level below; 1: same nodes as the level below


@partial(jax.tree_util.register_dataclass, data_fields=["levels"], meta_fields=["enlarge"])
@dataclasses.dataclass(frozen=True)
class Grid:
    """A pyramid of levels B, 2B, ... R; B is 32 in the release. Coordinates are data, so grids of equal sizes share one
    compiled program.

    If the pyramid stops below R, `enlarge` is the factor by which the last level's frames are upsampled.
    """

    levels: tuple[Level, ...]
    enlarge: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the frame, in pixels."""
        last = self.levels[-1]
        return last.x.shape[-1] * self.enlarge, last.y.shape[-1] * self.enlarge

    def up_to(self, resolution: int, base: int = BASE) -> Grid:
        """The same frame size from the levels up to `resolution` only: faster and coarser."""
        kept = self.levels[: len(pyramid(resolution, base))]
        return Grid(kept, self.enlarge * math.prod(level.repeat for level in self.levels[len(kept) :]))


def stack(grids: Sequence[Grid]) -> Grid:
    """One grid whose nodes have a leading clip axis, from one grid per clip; all of one size and mode."""
    return jax.tree.map(lambda *nodes: np.stack(nodes), *grids)


def pyramid(resolution: int, base: int = BASE) -> list[int]:
    """Resolutions of the levels: [base, 2 base, ... resolution]."""
    return [base << i for i in range((resolution // base).bit_length())]


def native(resolution: int, base: int = BASE) -> Grid:
    """The trained pyramid (authors' release: column j at 2j/r - 1, row i at 2(r-1-i)/r - 1)."""
    return scaled(resolution, 1, base)


def scaled(resolution: int, s: int, base: int = BASE) -> Grid:
    """The trained pyramid with s times the nodes along each axis of every level; s = 1 is `native`, bit for bit.

    Raises:
      InputError: s is below 1.
    """
    if s < 1:
        raise InputError(f"scale {s}: a scaled grid needs a whole factor of 1 or more.")
    levels = []
    for r in pyramid(resolution, base):
        x, y = (_nodes(r, centres) for centres in _centres(s * r, s * r, FULL))
        levels.append(Level(x, y, repeat=1 if r == base else 2))
    return Grid(tuple(levels))


def smooth(
    resolution: int, width: int, height: int, region: tuple[float, float, float, float] = FULL, base: int = BASE
) -> Grid:
    """Every level at every pixel of a width x height frame of `region`, without upsampling.

    Each pixel is a function of its own (x, y, t), so crops and tiles of a frame agree. Where a model upsamples, nearest or
    bilinear, `smooth` evaluates its layers at the pixel itself instead of between nodes; both agree at nodes.

    Args:
      region: (x0, y0, x1, y1); the trained frame is (-1, -1, 1, 1), and larger regions extrapolate.

    Raises:
      InputError: a size below 1, or a region that is empty or not finite.
    """
    x0, y0, x1, y1 = region
    if width < 1 or height < 1:
        raise InputError(f"size {width}x{height}: a picture needs at least one pixel a side.")
    if not (np.all(np.isfinite(region)) and x0 < x1 and y0 < y1):
        raise InputError(f"region {region}: needs finite x0 < x1 and y0 < y1; the trained frame is -1,-1,1,1.")
    return at_centres(resolution, *_centres(width, height, region), base)


def _centres(width: int, height: int, region) -> tuple[np.ndarray, np.ndarray]:
    """Centres (x of columns, y of rows) of pixels."""
    x0, y0, x1, y1 = region
    x = x0 + (x1 - x0) * (np.arange(width) + 0.5) / width
    y = y1 - (y1 - y0) * (np.arange(height) + 0.5) / height
    return x, y


def _nodes(r: int, centres: Float[Array, "n"]) -> Float[Array, "n"]:
    return (centres - 1 / r).astype(np.float32)


def at_centres(resolution: int, x: Float[Array, "w"], y: Float[Array, "h"], base: int = BASE) -> Grid:
    """Every level at pixels with these centres, without upsampling."""
    return Grid(tuple(Level(_nodes(r, x), _nodes(r, y), repeat=1) for r in pyramid(resolution, base)))
