"""Maps between given times, against NumPy's interpolation."""

import jax
import jax.numpy as jnp
import numpy as np

from digan_jax.models.condition.times import at_times


def test_linear_between_given_times_and_constant_outside():
    draw = np.random.default_rng(0)
    at = np.array([[0, 0.1, 0.7, 1], [-0.5, 0.2, 0.25, 3]], np.float32)
    times = np.array([[-1, 0, 0.05, 0.1, 0.65, 1, 2], [-0.5, 0, 0.2, 0.22, 1, 2.9, 9]], np.float32)
    maps = draw.normal(size=(2, 4, 3, 2, 5)).astype(np.float32)
    found = jax.jit(at_times)(maps, at, times)
    for b, y, x, c in np.ndindex(2, 3, 2, 5):
        twin = np.interp(times[b], at[b], maps[b, :, y, x, c])
        np.testing.assert_allclose(found[b, :, y, x, c], twin, atol=2e-6)  # float32 rounding of numbers near 1


def test_a_single_map_is_there_at_all_times():
    maps = np.random.default_rng(0).normal(size=(1, 1, 2, 2, 3)).astype(np.float32)
    found = at_times(jnp.asarray(maps), jnp.zeros((1, 1)), jnp.array([[-1.0, 0, 2]]))
    np.testing.assert_array_equal(found, np.repeat(maps, 3, axis=1))
