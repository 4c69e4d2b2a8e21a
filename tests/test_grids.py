import numpy as np
import pytest

from digan_jax import grids
from digan_jax.errors import InputError


def test_native_nodes_are_the_released_ones():
    for r, level in zip((32, 64), grids.native(64).levels):
        j = np.arange(r)
        np.testing.assert_array_equal(level.x, (2 * j / r - 1).astype(np.float32))
        np.testing.assert_array_equal(level.y, (2 * (r - 1 - j) / r - 1).astype(np.float32))
    assert [level.repeat for level in grids.native(64).levels] == [1, 2]


def test_smooth_grid_of_the_trained_size_has_the_trained_nodes_at_its_top_level():
    smooth, native = grids.smooth(64, 64, 64), grids.native(64)
    np.testing.assert_allclose(smooth.levels[-1].x, native.levels[-1].x, atol=1e-7)  # float32 rounding
    np.testing.assert_allclose(smooth.levels[-1].y, native.levels[-1].y, atol=1e-7)


def test_a_window_is_a_crop_of_the_larger_picture():
    whole = grids.smooth(32, 40, 20)
    right_top = grids.smooth(32, 20, 10, region=(0, 0, 1, 1))
    np.testing.assert_allclose(right_top.levels[0].x, whole.levels[0].x[20:], atol=1e-7)
    np.testing.assert_allclose(right_top.levels[0].y, whole.levels[0].y[:10], atol=1e-7)


def test_scaled_cells_average_to_trained_cells():
    """The mean of the s nodes inside a trained cell is that cell's centre: the picture does not shift."""
    for native, scaled in zip(grids.native(64).levels, grids.scaled(64, 4).levels):
        np.testing.assert_allclose(scaled.x.reshape(-1, 4).mean(1), native.x, atol=1e-6)
        np.testing.assert_allclose(scaled.y.reshape(-1, 4).mean(1), native.y, atol=1e-6)


@pytest.mark.parametrize("bad", [(0, 8, grids.FULL), (8, 8, (1, -1, -1, 1)), (8, 8, (0, 0, np.nan, 1))])
def test_bad_grids(bad):
    with pytest.raises(InputError):
        grids.smooth(32, *bad)
