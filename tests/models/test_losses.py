import jax.numpy as jnp
import numpy as np

from digan_jax.models.digan import losses


def test_path_length_of_a_linear_generator():
    """For frames = content · A the length is |A noise| / sqrt(pixels), whatever the content."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(4, 2 * 3 * 3 * 3)).astype(np.float32)
    noise = rng.normal(size=(5, 2, 3, 3, 3)).astype(np.float32)
    content = rng.normal(size=(5, 1, 4)).astype(np.float32)
    ours = losses.path_length(lambda v: (v[:, 0] @ a).reshape(5, 2, 3, 3, 3), jnp.array(content), jnp.array(noise))
    np.testing.assert_allclose(ours, np.linalg.norm(noise.reshape(5, -1) @ a.T, axis=1) / np.sqrt(18), rtol=1e-5)
