"""Grids on request, and how a render is split into pieces so that memory depends on neither frame size nor length."""

from __future__ import annotations

import dataclasses
import itertools
import math

from digan_jax import grids, kernels
from digan_jax.config import FamilyConfig, ModelConfig
from digan_jax.errors import InputError
from digan_jax.models.digan import architecture

MODES = ("native", "scaled", "smooth")


@dataclasses.dataclass(frozen=True)
class GridRequest:
    """The arguments of `grid`; becomes a `grids.Grid` once the model's resolution and levels are known."""

    width: int
    height: int
    region: tuple[float, float, float, float] = grids.FULL
    mode: str = "smooth"
    levels: int | None = None  # resolution of the last level to draw; None: all levels

    def resolve(self, config: FamilyConfig) -> grids.Grid:
        """The grid for a model.

        Raises:
          InputError: an unknown mode, a size below 1, an empty region, an unknown level; for native and scaled grids
            also a region other than the trained frame, or a size that is not a whole multiple of the resolution.
        """
        if check := getattr(config, "check_frame", None):  # families that cannot draw every size or region
            check(self.width, self.height, tuple(self.region))
        base = getattr(config, "base", grids.BASE)  # other families may have no levels
        grid, pyramid = self._whole(config.resolution, base), grids.pyramid(config.resolution, base)
        if self.levels not in (None, *pyramid):
            raise InputError(f"levels={self.levels}: the levels of this model are {pyramid}; choose the last to draw.")
        return grid if self.levels is None else grid.up_to(self.levels, base)

    def _whole(self, resolution: int, base: int) -> grids.Grid:
        r, size = resolution, f"{self.width}x{self.height}"
        if self.mode not in MODES:
            raise InputError(f"unknown mode {self.mode!r}; choose one of {list(MODES)}.")
        if self.mode == "smooth":
            return grids.smooth(r, self.width, self.height, tuple(self.region), base)
        if tuple(self.region) != grids.FULL:
            raise InputError(
                f"region {tuple(self.region)}: a {self.mode} grid draws the trained frame; use mode smooth."
            )
        if self.mode == "native" and (self.width, self.height) != (r, r):
            raise InputError(f"size {size}: a native grid has the trained {r}x{r} pixels; use mode scaled or smooth.")
        if self.width != self.height or self.width < r or self.width % r:
            raise InputError(f"size {size}: a scaled grid is a whole multiple of {r}x{r}; use mode smooth for others.")
        return grids.scaled(r, self.width // r, base)


def grid(
    width: int, height: int, region=grids.FULL, mode: str = "smooth", levels: int | None = None
) -> GridRequest:
    """Frame size, region and mode for `Model.generate`.

    Args:
      width, height: of the frame, in pixels.
      region: (x0, y0, x1, y1); the trained frame is (-1, -1, 1, 1), x right, y up. A smaller region zooms in, a larger
        one extrapolates.
      mode: "smooth" evaluates every level at every pixel: any size, any region. "scaled" is the trained pyramid with s
        times the nodes along each axis and its nearest-neighbour upsampling: width = height = s * resolution. "native"
        is "scaled" with s = 1.
      levels: stop the pyramid at this resolution (32, 64, ...): same frame size, less work, less detail. None: all.

    Invalid values raise `InputError` when the grid is drawn.
    """
    return GridRequest(width, height, tuple(region), mode, levels)


@dataclasses.dataclass(frozen=True)
class Plan:
    """Size of a piece, which one call of the compiled program draws on one device."""

    clips: int
    frames: int
    rows: int  # of the tile, in nodes of the first level
    columns: int
    margin: int = 0  # nodes of the first level inside the tile's inner borders that are drawn but not used


FRAMES = 16  # most frames of a piece drawn one by one: enough to amortise weight modulation, few enough for progress


def plan(
    config: ModelConfig, grid: grids.Grid, clips: int, frames: int, workspace: int, one_by_one: bool = False
) -> Plan:
    """The largest piece that takes about `workspace` bytes on a device; pieces are of equal size to avoid padding.

    Args:
      clips, frames: of one device.
      one_by_one: a device holds the activations of one frame at a time, so only finished frames add up.
    """
    of_clip, of_frame = costs(config, grid)
    rows, columns = grid.levels[0].y.shape[-1], grid.levels[0].x.shape[-1]
    nodes = rows * columns
    fit = workspace / (of_clip + of_frame)  # nodes of one frame that fit
    if fit < nodes:
        multiple = kernels.row_multiple()
        around = margin(config, grid)
        columns = min(columns, max(2 * around + 1, even(columns, fit / multiple)))
        bands = even(-(-rows // multiple), fit / columns / multiple)
        return Plan(1, 1, min(rows, max(2 * around + multiple, multiple * bands)), columns, around)
    width, height = grid.size
    finished = 12 * width * height  # bytes of a frame: three float32 channels
    if one_by_one:
        count = even(frames, min(FRAMES, workspace / 4 / finished))
        return Plan(even(clips, workspace / 4 / (count * finished)) if count == frames else 1, count, rows, columns)
    each = nodes * (of_clip + of_frame * frames)
    if workspace < each:
        return Plan(1, even(frames, (workspace / nodes - of_clip) / of_frame), rows, columns)
    return Plan(even(clips, workspace / each), frames, rows, columns)


def in_bands(config: ModelConfig, grid: grids.Grid, plan: Plan, bands: int) -> Plan:
    """`plan` with tiles low enough that so many devices have one each in every column of tiles.

    Raises:
      InputError: the picture has too few rows.
    """
    total, multiple, around = grid.levels[0].y.shape[-1], kernels.row_multiple(), margin(config, grid)
    if total < bands * multiple:
        raise InputError(f"mesh={bands}: the first level has {total} rows; use {max(1, total // multiple)} or less.")
    inner = -(-(total - 2 * around) // bands)
    rows = 2 * around + -(-inner // multiple) * multiple
    return dataclasses.replace(plan, rows=min(plan.rows, rows), margin=around)


def even(total: int, limit: float) -> int:
    """Size of the fewest equal pieces that cover `total`, each of at most max(1, limit)."""
    return math.ceil(total / math.ceil(total / max(1, int(limit))))


def costs(config: ModelConfig, grid: grids.Grid) -> tuple[float, float]:
    """Bytes per node of the first level, including its descendants at higher levels: (per clip, per frame).

    A clip keeps what its frames share at all levels; a frame needs the activations of the widest layer.
    """
    of_clip = of_frame = 0.0
    first = grid.levels[0].x.shape[-1] * grid.levels[0].y.shape[-1]
    for _, layers, level in architecture.blocks_on(config, grid):
        for layer in layers:
            cost = kernels.cost(level, layer.n_x + layer.n_condition, layer.n_fourier, layer.n_out)
            of_clip += cost.clip_bytes / first
            of_frame = max(of_frame, cost.frame_bytes / first)
    return of_clip, of_frame


def margin(config: ModelConfig, grid: grids.Grid) -> int:
    """Nodes of the first level around a tile that its pixels depend on: bilinear upsampling reads neighbours.

    A pixel depends on a neighbour at the level below, that on its neighbour below it, and so on: 1 + 1/2 + ... < 2 nodes.
    """
    upsamples = grid.enlarge > 1 or any(level.repeat > 1 for level in grid.levels)
    return 2 if upsamples and config.upsample == "bilinear" else 0


def tile(
    grid: grids.Grid, row: int, column: int, plan: Plan
) -> tuple[grids.Grid, tuple[slice, slice], tuple[slice, slice]]:
    """The tile of a grid that begins at (row, column) of the first level.

    Returns the tile's grid, its (rows, columns) in the frame, and these pixels' (rows, columns) in the tile. Levels nest by
    whole factors, so without a margin a tile contains exactly the nodes that its pixels depend on.
    """
    levels, repeat = [], 1
    for level in grid.levels:
        repeat *= level.repeat
        rows = slice(row * repeat, (row + plan.rows) * repeat)
        columns = slice(column * repeat, (column + plan.columns) * repeat)
        levels.append(dataclasses.replace(level, x=level.x[..., columns], y=level.y[..., rows]))
    repeat *= grid.enlarge
    first = grid.levels[0]
    ends = (row, plan.rows, first.y.shape[-1]), (column, plan.columns, first.x.shape[-1])
    within = [(plan.margin * (start > 0), size - plan.margin * (start + size < total)) for start, size, total in ends]
    inside = tuple(slice(before * repeat, after * repeat) for before, after in within)
    place = tuple(slice((end[0] + a) * repeat, (end[0] + b) * repeat) for end, (a, b) in zip(ends, within))
    return grids.Grid(tuple(levels), grid.enlarge), place, inside


def corners(grid: grids.Grid, plan: Plan) -> list[tuple[int, int]]:
    """(row, column) of the first level where each tile begins. Tiles overlap by two margins, the last ones by more, as all
    are of one size."""
    twice = 2 * plan.margin
    starts = lambda total, size: [min(first, total - size) for first in range(0, max(1, total - twice), size - twice)]
    first = grid.levels[0]
    return list(itertools.product(starts(first.y.shape[-1], plan.rows), starts(first.x.shape[-1], plan.columns)))


def together(grid: grids.Grid, plan: Plan, bands: int) -> list[list[tuple[int, int]]]:
    """`corners` in groups of `bands`, which are drawn at once; the last one is filled up by repeating its last tile."""
    starts = corners(grid, plan)
    groups = [starts[i : i + bands] for i in range(0, len(starts), bands)]
    return [group + group[-1:] * (bands - len(group)) for group in groups]
