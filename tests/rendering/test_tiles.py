"""Grids on request, and pieces that cover a picture exactly."""

import dataclasses

import numpy as np
import pytest

from digan_jax import grids, kernels
from digan_jax.config import ModelConfig
from digan_jax.errors import InputError
from digan_jax.rendering import tiles

R = 64
CONFIG = ModelConfig(resolution=R, channel_base=1024, channel_max=16)


def coordinates(grid):
    return [(np.asarray(level.x), np.asarray(level.y), level.repeat) for level in grid.levels]


def assert_equal_grids(a, b):
    for (ax, ay, ar), (bx, by, br) in zip(coordinates(a), coordinates(b), strict=True):
        np.testing.assert_array_equal(ax, bx)
        np.testing.assert_array_equal(ay, by)
        assert ar == br


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (tiles.grid(R, R, mode="native"), grids.native(R)),
        (tiles.grid(3 * R, 3 * R, mode="scaled"), grids.scaled(R, 3)),
        (tiles.grid(50, 70), grids.smooth(R, 50, 70)),
        (tiles.grid(50, 70, region=[-2, 0, 1, 1]), grids.smooth(R, 50, 70, (-2, 0, 1, 1))),
    ],
)
def test_a_request_becomes_a_grid(request_, expected):
    assert_equal_grids(request_.resolve(CONFIG), expected)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (tiles.grid(R, R, mode="bicubic"), "'bicubic'.*native.*scaled.*smooth"),
        (tiles.grid(R + 1, R + 1, mode="native"), "65x65.*64x64"),
        (tiles.grid(R, 2 * R, mode="scaled"), "64x128.*whole multiple"),
        (tiles.grid(R // 2, R // 2, mode="scaled"), "32x32.*whole multiple"),
        (tiles.grid(R, R, region=(0, 0, 1, 1), mode="native"), "region"),
        (tiles.grid(0, 5), "0x5"),
        (tiles.grid(5, 5, region=(1, 0, 0, 1)), "x0 < x1"),
    ],
)
def test_requests_that_cannot_be_drawn_are_named(request_, message):
    with pytest.raises(InputError, match=message):
        request_.resolve(CONFIG)


@pytest.mark.parametrize("grid", [grids.native(R), grids.scaled(R, 3), grids.smooth(R, 20, 33)])
def test_tiles_cover_the_picture(grid):
    """A picture of coordinates, put together from tiles at every level, is that of the grid; all tiles are alike."""
    plan = tiles.Plan(clips=1, frames=1, rows=5, columns=7)
    parts = [tiles.tile(grid, *corner, plan) for corner in tiles.corners(grid, plan)]
    width, height = grid.size
    seen = np.full((height, width, 2), np.nan, np.float32)
    for part, place, _ in parts:
        assert part.size == parts[0][0].size
        x, y = part.levels[-1].x, part.levels[-1].y
        seen[place] = np.stack(np.meshgrid(x, y), axis=-1)
        below, above = part.levels[-2], part.levels[-1]  # each node of the last level lies on one of the level before
        assert len(above.x) == above.repeat * len(below.x) and len(above.y) == above.repeat * len(below.y)
    x, y = grid.levels[-1].x, grid.levels[-1].y
    np.testing.assert_array_equal(seen, np.stack(np.meshgrid(x, y), axis=-1))


@pytest.mark.parametrize("workspace", [1, 10**5, 10**6, 10**7, 10**9])
@pytest.mark.parametrize("grid", [grids.native(R), grids.smooth(R, 200, 90)])
def test_pieces_fit_the_workspace(workspace, grid):
    plan = tiles.plan(CONFIG, grid, clips=7, frames=5, workspace=workspace)
    of_clip, of_frame = tiles.costs(CONFIG, grid)
    used = plan.clips * plan.rows * plan.columns * (of_clip + of_frame * plan.frames)
    assert used <= workspace or plan == tiles.Plan(1, 1, 2, 1)  # two nodes of one frame are the least there is
    assert plan.rows % kernels.row_multiple() == 0
    rows, columns = len(grid.levels[0].y), len(grid.levels[0].x)
    assert plan.clips <= 7 and plan.frames <= 5 and plan.rows <= rows and plan.columns <= columns
    if plan.clips > 1:
        assert (plan.frames, plan.rows, plan.columns) == (5, rows, columns)
    if plan.frames > 1:
        assert (plan.rows, plan.columns) == (rows, columns)


@pytest.mark.parametrize(("workspace", "clips", "frames"), [(10**5, 1, 1), (10**6, 1, 1), (10**7, 7, 5), (10**9, 7, 5)])
def test_frames_drawn_one_by_one_share_the_workspace_of_one(workspace, clips, frames):
    """Finished frames, 48 kB each, may fill a quarter; the clips of a piece have all their frames in it."""
    plan = tiles.plan(CONFIG, grids.native(R), clips=7, frames=5, workspace=workspace, one_by_one=True)
    assert (plan.clips, plan.frames) == (clips, frames)
    assert 4 * plan.clips * plan.frames * 12 * R * R <= workspace or plan.frames == 1
    long = tiles.plan(CONFIG, grids.native(R), clips=1, frames=1000, workspace=10**9, one_by_one=True)
    assert long.frames == tiles.even(1000, tiles.FRAMES)


@pytest.mark.parametrize(("total", "limit", "size"), [(16, 16, 16), (16, 15, 8), (10, 4, 4), (9, 4, 3), (5, 0, 1)])
def test_pieces_are_even(total, limit, size):
    assert tiles.even(total, limit) == size


@pytest.mark.parametrize("upsample", ["nearest", "bilinear"])
@pytest.mark.parametrize("grid", [grids.smooth(64, 30, 26), grids.scaled(64, 1), grids.smooth(64, 30, 64).up_to(32)])
@pytest.mark.parametrize("bands", [2, 3, 8])
def test_bands_are_one_for_each_device_and_cover_the_picture(tiny_config, upsample, grid, bands):
    config = dataclasses.replace(tiny_config, resolution=64, upsample=upsample)
    plan = tiles.in_bands(config, grid, tiles.plan(config, grid, 1, 1, 1 << 30), bands)
    groups = tiles.together(grid, plan, bands)
    assert len(groups) == 1 and len(groups[0]) == bands
    width, height = grid.size
    drawn = np.zeros((height, width), int)
    for corner in set(groups[0]):
        _, place, inside = tiles.tile(grid, *corner, plan)
        drawn[place] += 1
        assert inside[0].stop - inside[0].start == place[0].stop - place[0].start
    assert drawn.min() == 1


def test_too_many_bands_are_refused(tiny_config):
    grid = grids.smooth(32, 40, 6)
    with pytest.raises(InputError, match="mesh=8: the first level has 6 rows; use 3 or less"):
        tiles.in_bands(tiny_config, grid, tiles.plan(tiny_config, grid, 1, 1, 1 << 30), 8)
