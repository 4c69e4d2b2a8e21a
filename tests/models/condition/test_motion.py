"""Colours moved along a flow, against loops over pixels and against mixing."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.interpolate import CubicHermiteSpline

from digan_jax.models.condition import motion
from digan_jax.models.condition.encoder import ContextEncoder
from digan_jax.models.condition.times import at_times

AT = np.array([[0, 0.1, 0.7, 1], [-0.5, 0.2, 0.25, 3]], np.float32)
TIMES = np.array([[-1, 0, 0.05, 0.1, 0.65, 1, 2], [-0.5, 0, 0.2, 0.22, 1, 2.9, 9]], np.float32)


def test_without_motion_maps_are_mixed():
    maps = np.random.default_rng(0).normal(size=(2, 4, 3, 2, 5)).astype(np.float32)
    found, parts = jax.jit(motion.moved)(maps, np.zeros((2, 4, 3, 2, 6), np.float32), AT, TIMES)
    np.testing.assert_allclose(found, at_times(maps, AT, TIMES), atol=2e-6)  # float32 rounding of numbers near 1
    assert parts.shape == (2, 7, 3, 2, 12)
    clock = np.asarray(parts)[0, :, 0, 0, -2:]
    np.testing.assert_allclose(clock[:, 0], [0, 0, 1, 0, 4 * 11 / 12 / 12, 0, 0], atol=1e-5)  # 1 in the middle
    np.testing.assert_allclose(clock[:, 1], [10, 0, 0, 0, 0, 0, 1 / 0.3], rtol=1e-5, atol=1e-5)  # in gaps of maps


def splined(values, x):
    """The Hermite spline through values, edges repeated, whose slopes are those from neighbour to neighbour."""
    padded = np.pad(values, [(2, 2)] + [(0, 0)] * (values.ndim - 1), mode="edge")
    return CubicHermiteSpline(np.arange(-1, len(values) + 1), padded[1:-1], (padded[2:] - padded[:-2]) / 2)(x)


def test_shifted_maps_are_those_of_scipy():
    draw = np.random.default_rng(1)
    maps, by = draw.normal(size=(1, 2, 6, 5, 3)), draw.uniform(-4, 4, (1, 2, 6, 5, 2))
    found = jax.jit(motion.shifted)(maps.astype(np.float32), by.astype(np.float32))
    for t, y, x in np.ndindex(2, 6, 5):
        down, right = np.clip((y, x) + by[0, t, y, x], 0, (5, 4))
        twin = splined(splined(maps[0, t], down), right)
        np.testing.assert_allclose(found[0, t, y, x], twin, atol=1e-5)  # float32


def test_a_moving_ramp_is_where_it_should_be_between_and_after_its_frames():
    """Brightness x - 2 t: a picture that moves two pixels to the right from map to map."""
    x = np.arange(12, dtype=np.float32)[None, :, None]
    frames = np.stack([np.broadcast_to(x - 2 * t, (4, 12, 1)) for t in (0, 1)])[None]
    flow = np.zeros((1, 2, 4, 12, 6), np.float32)
    flow[..., 1], flow[..., 3] = (
        2,
        -2,
    )  # looked at from a time: to the right in the map after, to the left in the one before
    times = np.array([[0.25, 0.5, 1.5, 2.0]], np.float32)
    found, _ = motion.moved(jnp.asarray(frames), jnp.asarray(flow), jnp.array([[0.0, 1.0]]), jnp.asarray(times))
    for t, picture in zip(times[0], found[0]):
        np.testing.assert_allclose(picture[:, 4:-4], np.broadcast_to(x - 2 * t, (4, 12, 1))[:, 4:-4], atol=1e-5)


def test_one_map_is_there_at_all_times():
    maps = np.random.default_rng(0).normal(size=(1, 1, 2, 2, 3)).astype(np.float32)
    found, _ = motion.moved(maps, np.zeros((1, 1, 2, 2, 6), np.float32), jnp.zeros((1, 1)), jnp.array([[-1.0, 0, 2]]))
    np.testing.assert_allclose(found, np.repeat(maps, 3, axis=1), atol=1e-6)


def test_along_the_classical_flow_a_bump_goes_on_evenly():
    """Between, before and after the maps it is at least twice as near to the truth as mixed maps are.

    Not nearer still, as the flow is read where a pixel comes to be and not where it was.
    """
    y, x = np.mgrid[:16, :16].astype(np.float32)
    bump = lambda t: np.exp(-0.5 * ((x - 6 - 1.5 * t) ** 2 + (y - 8 + t) ** 2) / 2.5**2)[..., None].repeat(3, -1)
    maps = jnp.asarray(np.stack([bump(t) for t in (0, 1, 2)])[None])
    at, times = jnp.array([[0.0, 1.0, 2.0]]), np.float32([-0.5, 0.5, 1.3, 2.6])
    encoder = ContextEncoder(4, 3, warp=True, classical=True)
    params = encoder.init(jax.random.key(0), maps, at)
    found = jax.jit(encoder.apply)(params, maps, at).at_times(jnp.asarray(times)[None]).maps[0][0]
    mixed = at_times(maps, at, jnp.asarray(times)[None])[0]
    for t, ours, theirs in zip(times, found, mixed):
        error = lambda made, t=t: np.abs(np.asarray(made) - bump(t)).mean()
        assert error(ours) < error(theirs) / 2, t
    np.testing.assert_array_equal(motion.classical(maps[:, :1]), 0)  # one map alone stands still
    gradient = jax.grad(lambda maps: motion.classical(maps).sum())(maps)
    np.testing.assert_array_equal(gradient, 0)
