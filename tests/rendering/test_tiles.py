"""Grids on request, and pieces that cover a picture exactly."""

import numpy as np
import pytest

from digan_jax import coords
from digan_jax.config import ModelConfig
from digan_jax.errors import InputError
from digan_jax.rendering import tiles

R = 64


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
        (tiles.grid(R, R, mode="native"), coords.native(R)),
        (tiles.grid(3 * R, 3 * R, mode="scaled"), coords.scaled(R, 3)),
        (tiles.grid(50, 70), coords.smooth(R, 50, 70)),
        (tiles.grid(50, 70, region=[-2, 0, 1, 1]), coords.smooth(R, 50, 70, (-2, 0, 1, 1))),
    ],
)
def test_a_request_becomes_a_grid(request_, expected):
    assert_equal_grids(request_.resolve(R), expected)


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
        request_.resolve(R)


@pytest.mark.parametrize("grid", [coords.native(R), coords.scaled(R, 3), coords.smooth(R, 20, 33)])
def test_bands_stack_to_the_grid(grid):
    rows = len(grid.levels[0].y)
    parts = [tiles.band(grid, first, min(5, rows - first)) for first in range(0, rows, 5)]
    for i, level in enumerate(grid.levels):
        np.testing.assert_array_equal(np.concatenate([part.levels[i].y for part, _ in parts]), level.y)
    covered = np.concatenate([np.arange(place.start, place.stop) for _, place in parts])
    np.testing.assert_array_equal(covered, np.arange(grid.size[1]))
    assert all(part.size == (grid.size[0], place.stop - place.start) for part, place in parts)


@pytest.mark.parametrize("workspace", [1, 10**5, 10**6, 10**7, 10**9])
@pytest.mark.parametrize("grid", [coords.native(R), coords.smooth(R, 200, 90)])
def test_pieces_fit_the_workspace(workspace, grid):
    config = ModelConfig(resolution=R, channel_base=1024, channel_max=16)
    plan = tiles.plan(config, grid, clips=7, frames=5, workspace=workspace)
    rows = len(grid.levels[0].y)
    used = tiles.frame_bytes(config, grid) * plan.clips * plan.frames * plan.rows / rows
    assert used <= workspace or plan == tiles.Plan(1, 1, 1)  # one row of one frame is the least there is
    assert plan.clips <= 7 and plan.frames <= 5 and plan.rows <= rows


@pytest.mark.parametrize(("total", "limit", "size"), [(16, 16, 16), (16, 15, 8), (10, 4, 4), (9, 4, 3), (5, 0, 1)])
def test_pieces_are_even(total, limit, size):
    assert tiles.even(total, limit) == size
