"""The first guess for hidden pixels."""

import numpy as np
import pytest

from digan_jax.data import filling


def test_linear_in_time_between_the_frames_where_a_pixel_is_seen():
    draw = np.random.default_rng(0)
    maps = draw.uniform(-1, 1, (9, 3, 4, 2)).astype(np.float32)
    visible = (draw.random((9, 3, 4)) < 0.4).astype(np.float32)
    visible[4] = 1  # every pixel is seen once at least
    found = filling.filled(maps * visible[..., None], visible)
    for y, x, c in np.ndindex(3, 4, 2):
        there = np.flatnonzero(visible[:, y, x])
        twin = np.interp(np.arange(9), there, maps[there, y, x, c])
        np.testing.assert_allclose(found[:, y, x, c], twin, atol=1e-6)  # rounding of numbers near 1


@pytest.mark.parametrize("size", [(8, 8), (7, 13), (1, 5)])
def test_a_hole_is_filled_smoothly_and_what_is_seen_stays(size):
    y, x = np.indices(size, dtype=np.float32)
    ramp = np.stack([x / size[1], y / size[0]], -1)
    seen = np.ones(size, bool)
    seen[size[0] // 3 : size[0] // 3 + 2, 2:4] = False
    found = filling.smooth(np.where(seen[..., None], ramp, 0), seen)
    np.testing.assert_array_equal(found[seen], ramp[seen])
    assert np.abs(found - ramp)[~seen].max() < 0.3  # the ramp rises by 1; a hole left at 0 errs by more
    assert found.min() >= 0 and found.max() <= 1


def test_nothing_seen_stays_nothing():
    assert not filling.filled(np.zeros((2, 4, 4, 3), np.float32), np.zeros((2, 4, 4), np.float32)).any()
