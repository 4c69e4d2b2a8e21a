"""Which grid a picture is drawn on, and in which pieces, so that memory depends on neither its size nor its length."""

from __future__ import annotations

import dataclasses
import itertools
import math

from digan_jax import grids, kernels
from digan_jax.config import ModelConfig
from digan_jax.errors import InputError
from digan_jax.models.digan import architecture

MODES = ("native", "scaled", "smooth")


@dataclasses.dataclass(frozen=True)
class GridRequest:
    """A picture asked for; it becomes a `coords.Grid` when a model's resolution is known."""

    width: int
    height: int
    region: tuple[float, float, float, float] = grids.FULL
    mode: str = "smooth"
    levels: int | None = None  # resolution of the last level that is drawn; None: all

    def resolve(self, resolution: int) -> grids.Grid:
        """The grid for a model of this resolution.

        Raises:
          InputError: an unknown mode, no pixels, an empty region, a level that is not there; for native and scaled
            grids a region other than the trained frame or a size that is not a whole multiple of the resolution.
        """
        grid, pyramid = self._whole(resolution), grids.pyramid(resolution)
        if self.levels not in (None, *pyramid):
            raise InputError(f"levels={self.levels}: the levels of this model are {pyramid}; choose the last to draw.")
        return grid if self.levels is None else grid.up_to(self.levels)

    def _whole(self, resolution: int) -> grids.Grid:
        r, size = resolution, f"{self.width}x{self.height}"
        if self.mode not in MODES:
            raise InputError(f"unknown mode {self.mode!r}; choose one of {list(MODES)}.")
        if self.mode == "smooth":
            return grids.smooth(r, self.width, self.height, tuple(self.region))
        if tuple(self.region) != grids.FULL:
            raise InputError(
                f"region {tuple(self.region)}: a {self.mode} grid draws the trained frame; use mode smooth."
            )
        if self.mode == "native" and (self.width, self.height) != (r, r):
            raise InputError(f"size {size}: a native grid has the trained {r}x{r} pixels; use mode scaled or smooth.")
        if self.width != self.height or self.width < r or self.width % r:
            raise InputError(f"size {size}: a scaled grid is a whole multiple of {r}x{r}; use mode smooth for others.")
        return grids.scaled(r, self.width // r)


def grid(
    width: int, height: int, region=grids.FULL, mode: str = "smooth", levels: int | None = None
) -> GridRequest:
    """A picture of width x height pixels for `Model.generate`.

    Args:
      region: (x0, y0, x1, y1); the trained frame spans -1..1 edge to edge, x right, y up. Smaller zooms in, beyond is
        legal and shows what lies outside.
      mode: "smooth" evaluates the function at every pixel: any size, any region. "scaled" and "native" are the trained
        pyramid at s and 1 times its nodes, with its nearest upsampling: width = height = s * resolution.
      levels: stop the pyramid at this resolution (32, 64, ...): less work and less detail, the same size.
    """
    return GridRequest(width, height, tuple(region), mode, levels)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What one call of the compiled program draws: clips, frames, and a tile in rows and columns of the first level."""

    clips: int
    frames: int
    rows: int
    columns: int


FRAMES = 16  # drawn one by one in a piece at most: enough to share a clip's modulated weights, few enough to wait for


def plan(
    config: ModelConfig, grid: grids.Grid, clips: int, frames: int, workspace: int, one_by_one: bool = False
) -> Plan:
    """The largest pieces that take about `workspace` bytes of a device, even in size so that little is padded.

    With `one_by_one` a device works on one frame at a time, and only finished frames add up.
    """
    of_clip, of_frame = costs(config, grid)
    rows, columns = grid.levels[0].y.shape[-1], grid.levels[0].x.shape[-1]
    nodes = rows * columns
    fit = workspace / (of_clip + of_frame)  # nodes of one frame
    if fit < nodes:
        multiple = kernels.row_multiple()
        columns = even(columns, fit / multiple)
        bands = even(-(-rows // multiple), fit / columns / multiple)
        return Plan(1, 1, min(rows, multiple * bands), columns)
    width, height = grid.size
    finished = 12 * width * height  # bytes of a frame: three float32 colours
    if one_by_one:
        count = even(frames, min(FRAMES, workspace / 4 / finished))
        return Plan(even(clips, workspace / 4 / (count * finished)) if count == frames else 1, count, rows, columns)
    each = nodes * (of_clip + of_frame * frames)
    if workspace < each:
        return Plan(1, even(frames, (workspace / nodes - of_clip) / of_frame), rows, columns)
    return Plan(even(clips, workspace / each), frames, rows, columns)


def even(total: int, limit: float) -> int:
    """Size of the fewest equal pieces of at most `limit` (at least 1) that cover `total`."""
    return math.ceil(total / math.ceil(total / max(1, int(limit))))


def costs(config: ModelConfig, grid: grids.Grid) -> tuple[float, float]:
    """Bytes for each node of the first level, and all nodes that descend from it: of a clip (what its frames share, at
    all levels) and of each of its frames (the widest layer)."""
    of_clip = of_frame = 0.0
    first = grid.levels[0].x.shape[-1] * grid.levels[0].y.shape[-1]
    for _, layers, level in architecture.blocks_on(config, grid):
        for layer in layers:
            cost = kernels.cost(level, layer.n_x, layer.n_fourier, layer.n_out)
            of_clip += cost.clip_bytes / first
            of_frame = max(of_frame, cost.frame_bytes / first)
    return of_clip, of_frame


def tile(grid: grids.Grid, row: int, column: int, plan: Plan) -> tuple[grids.Grid, tuple[slice, slice]]:
    """The part of a grid from `row` and `column` of the first level on, and its rows and columns of the picture.
    Levels nest by whole repeats, so a tile holds just what its own pixels are made of."""
    levels, repeat = [], 1
    for level in grid.levels:
        repeat *= level.repeat
        rows = slice(row * repeat, (row + plan.rows) * repeat)
        columns = slice(column * repeat, (column + plan.columns) * repeat)
        levels.append(dataclasses.replace(level, x=level.x[..., columns], y=level.y[..., rows]))
    rows, columns = (slice(s.start * grid.enlarge, s.stop * grid.enlarge) for s in (rows, columns))
    return grids.Grid(tuple(levels), grid.enlarge), (rows, columns)


def corners(grid: grids.Grid, plan: Plan) -> list[tuple[int, int]]:
    """(row, column) of the first level where each tile begins. The last ones overlap those before: all are alike."""
    starts = lambda total, step: [min(first, total - step) for first in range(0, total, step)]
    first = grid.levels[0]
    return list(itertools.product(starts(first.y.shape[-1], plan.rows), starts(first.x.shape[-1], plan.columns)))
