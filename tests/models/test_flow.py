"""The classical flow against motions that are known exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from digan_jax.models import flow as flow_lib

flow = jax.jit(flow_lib.flow)


def blobs(shift, size=32):
    """Three coloured bumps on a dark wall, moved by (dx, dy) pixels. [1 size size 3] in [−1, 1]."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    bump = lambda cx, cy: np.exp(-0.5 * (((x - cx - shift[0]) / 3) ** 2 + ((y - cy - shift[1]) / 3) ** 2))
    return 2 * np.stack([bump(12, 13), bump(18, 14), bump(14, 19)], axis=-1)[None] - 1


@pytest.mark.parametrize("shift", [(0.0, 0.0), (1.5, -0.7), (-6.0, 4.0)])
def test_the_flow_of_a_moved_picture_is_its_shift(shift):
    first, later = blobs((0, 0)), blobs(shift)
    m = np.asarray(flow(first, later))
    seen = first.max(-1)[0] > -0.5  # a wall of one colour does not say where it went
    error = np.linalg.norm(m[0][seen] - np.array(shift), axis=-1)
    assert error.mean() < 0.35  # a third of a pixel; (-6, 4) is two pixels on the coarsest level
    back = np.asarray(flow_lib.warped(jnp.asarray(later), jnp.asarray(m)))
    assert np.abs(back - first).mean() <= 0.25 * np.abs(later - first).mean()


def test_x_0_is_found_at_p_plus_m():
    """The convention of the release: first(p) ≈ later(p + m), m in pixels, x right and y down."""
    m = np.asarray(flow(blobs((0, 0)), blobs((2.0, 0.0))))
    assert m.shape == (1, 32, 32, 2) and abs(m[0, 13, 12, 0] - 2) < 0.5 and abs(m[0, 13, 12, 1]) < 0.5


def test_warped_by_hand():
    """Half a pixel to the right is the mean of two neighbours; beyond the border, the border."""
    x = np.arange(12, dtype=np.float32).reshape(1, 3, 4, 1) ** 2
    m = jnp.zeros((1, 3, 4, 2)).at[..., 0].set(0.5)
    right = np.concatenate([x[:, :, 1:], x[:, :, -1:]], axis=2)
    np.testing.assert_allclose(flow_lib.warped(jnp.asarray(x), m), (x + right) / 2, atol=1e-5)
    down = flow_lib.warped(jnp.asarray(x), jnp.zeros((1, 3, 4, 2)).at[..., 1].set(1.0))
    np.testing.assert_allclose(down[:, :2], x[:, 1:], atol=1e-5)


def test_frames_of_one_colour_do_not_move():
    plain = np.full((1, 12, 20, 3), 0.3, np.float32)  # sides that halve twice, and once
    assert not np.asarray(flow(plain, plain)).any()


def test_a_frame_is_carried_along_the_flow():
    """Whole shifts move it exactly but for the wall's share; what leaves the frame is gone, what nothing reaches stays."""
    first = jnp.asarray(blobs((0, 0)))
    on = flow_lib.carried(first, jnp.full((1, 32, 32, 2), jnp.array([3.0, -2.0])))
    np.testing.assert_allclose(on[:, :-2, 3:], first[:, 2:, :-3], atol=2e-3)  # FILLED over 13 squared pixels, twice
    np.testing.assert_allclose(on[:, -2:], first[:, -2:], atol=1e-6)
    np.testing.assert_allclose(flow_lib.carried(first, jnp.zeros((1, 32, 32, 2))), first, atol=1e-6)  # rounding


def test_what_moves_hides_what_stands_still():
    """A bright pixel that moves by two onto a dark one that rests. It counts 4 + FILLED, the dark one twice FILLED."""
    first = jnp.full((1, 1, 5, 1), -1.0).at[0, 0, 1].set(1.0)
    on = flow_lib.carried(first, jnp.zeros((1, 1, 5, 2)).at[0, 0, 1, 0].set(2.0))
    filled = flow_lib.FILLED
    np.testing.assert_allclose(on[0, 0, 3, 0], (4 + filled - 2 * filled) / (4 + 3 * filled), rtol=1e-5)
    np.testing.assert_allclose(on[0, 0, 1, 0], 1.0)  # nothing came: what was there
