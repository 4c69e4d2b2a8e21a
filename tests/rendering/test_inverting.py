"""Latents of a clip by optimisation."""

import numpy as np
import pytest

from digan_jax.errors import InputError
from digan_jax.rendering import inverting, latent_files
from digan_jax.shapes import Latents


@pytest.mark.slow
def test_a_clip_of_the_model_is_found_again(tiny_model):
    """A clip of an id beyond the candidates: the optimisation comes much nearer than the best of them."""
    times = np.linspace(0, 1, 5)
    clip = tiny_model.sample([1000], times)[0]
    began = tiny_model.generate(inverting.nearest_id(tiny_model, clip, times), times)[0]
    found = inverting.invert(tiny_model, clip, times, 60, inverting.Weights(nearness=0.0))
    drawn = tiny_model.generate(found.latents, times)[0]
    error = lambda x: np.square(x - clip).mean()
    assert error(drawn) < 0.5 * error(began) and found.losses[-1] < found.losses[0]
    assert found.latents.content.shape == (1, tiny_model.nets.generator.n_layers, 16)


def test_files_of_latents(tmp_path):
    lat = Latents(np.arange(12, dtype=np.float32).reshape(2, 3, 2), np.ones((2, 4), np.float32))
    latent_files.save(tmp_path / "a.npz", lat, {"made": "here"})
    np.testing.assert_array_equal(latent_files.read(tmp_path / "a.npz", [1]).content, lat.content[1:])
    with pytest.raises(InputError, match="a.npz: has 2 clips, numbered from 0; there is no 2"):
        latent_files.read(tmp_path / "a.npz", [2])
    np.savez(tmp_path / "b.npz", frames=np.zeros(3))
    with pytest.raises(InputError, match="b.npz: holds no latents"):
        latent_files.read(tmp_path / "b.npz")
