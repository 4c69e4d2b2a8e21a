"""Which grid a picture is drawn on, and in which pieces, so that memory depends on neither its size nor its length."""

from __future__ import annotations

import dataclasses
import math

from digan_jax import coords
from digan_jax.config import ModelConfig
from digan_jax.errors import InputError

MODES = ("native", "scaled", "smooth")


@dataclasses.dataclass(frozen=True)
class GridRequest:
    """A picture asked for; it becomes a `coords.Grid` when a model's resolution is known."""

    width: int
    height: int
    region: tuple[float, float, float, float] = coords.FULL
    mode: str = "smooth"

    def resolve(self, resolution: int) -> coords.Grid:
        """The grid for a model of this resolution.

        Raises:
          InputError: an unknown mode, no pixels, an empty region; for native and scaled grids a region other than the
            trained frame or a size that is not a whole multiple of the resolution.
        """
        r, size = resolution, f"{self.width}x{self.height}"
        if self.mode not in MODES:
            raise InputError(f"unknown mode {self.mode!r}; choose one of {list(MODES)}.")
        if self.mode == "smooth":
            return coords.smooth(r, self.width, self.height, tuple(self.region))
        if tuple(self.region) != coords.FULL:
            raise InputError(
                f"region {tuple(self.region)}: a {self.mode} grid draws the trained frame; use mode smooth."
            )
        if self.mode == "native" and (self.width, self.height) != (r, r):
            raise InputError(f"size {size}: a native grid has the trained {r}x{r} pixels; use mode scaled or smooth.")
        if self.width != self.height or self.width < r or self.width % r:
            raise InputError(f"size {size}: a scaled grid is a whole multiple of {r}x{r}; use mode smooth for others.")
        return coords.scaled(r, self.width // r)


def grid(width: int, height: int, region=coords.FULL, mode: str = "smooth") -> GridRequest:
    """A picture of width x height pixels for `Model.generate`.

    Args:
      region: (x0, y0, x1, y1); the trained frame spans -1..1 edge to edge, x right, y up. Smaller zooms in, beyond is
        legal and shows what lies outside.
      mode: "smooth" evaluates the function at every pixel: any size, any region. "scaled" and "native" are the trained
        pyramid at s and 1 times its nodes, with its nearest upsampling: width = height = s * resolution.
    """
    return GridRequest(width, height, tuple(region), mode)


@dataclasses.dataclass(frozen=True)
class Plan:
    """Clips, frames and rows (of the first level) that one call of the compiled program draws."""

    clips: int
    frames: int
    rows: int


def plan(config: ModelConfig, grid: coords.Grid, clips: int, frames: int, workspace: int) -> Plan:
    """The largest pieces whose activations take up to `workspace` bytes, even in size so that little is padded."""
    rows = len(grid.levels[0].y)
    fit = workspace / frame_bytes(config, grid)  # frames that fit
    if fit < 1:
        return Plan(1, 1, even(rows, int(fit * rows)))
    if fit < frames:
        return Plan(1, even(frames, int(fit)), rows)
    return Plan(even(clips, int(fit / frames)), frames, rows)


def even(total: int, limit: int) -> int:
    """Size of the fewest equal pieces of at most `limit` (at least 1) that cover `total`."""
    return math.ceil(total / math.ceil(total / max(1, limit)))


def frame_bytes(config: ModelConfig, grid: coords.Grid) -> int:
    """Activations alive while one frame is drawn: at most those that enter and leave the widest layer, float32."""
    widest = 0
    for r, level in zip(coords.pyramid(config.resolution), grid.levels):
        blocks = [4, 8, 16, 32] if r == coords.BASE else [r]
        channels = max(config.channels(max(4, b // 2)) + config.channels(b) for b in blocks) + 2 * config.n_frequencies
        widest = max(widest, len(level.x) * len(level.y) * channels)
    return 2 * 4 * widest  # twice: a layer's product and its activation


def band(grid: coords.Grid, first: int, rows: int) -> tuple[coords.Grid, slice]:
    """The part of a grid below `first`, `rows` high, both counted in rows of the first level; and where it lies in
    the picture. Levels nest by whole repeats, so a band holds just what its own rows of the picture are made of."""
    levels, repeat = [], 1
    for level in grid.levels:
        repeat *= level.repeat
        levels.append(dataclasses.replace(level, y=level.y[first * repeat : (first + rows) * repeat]))
    return coords.Grid(tuple(levels)), slice(first * repeat, (first + rows) * repeat)
