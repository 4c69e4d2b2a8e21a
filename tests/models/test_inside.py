"""The waves that are shown are those that are drawn."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from digan_jax import grids, kernels
from digan_jax.models.digan import inside, networks
from digan_jax.shapes import Latents


@pytest.mark.parametrize(
    "changes", [{}, {"motion": "octaves", "basis": "phased", "places": 1, "resolution": 64}], ids=["release", "digan2"]
)
def test_waves_are_those_of_the_features(tiny_config, changes, monkeypatch):
    """Every call of `kernels.fourier` while a clip is drawn, against `waves`."""
    config = dataclasses.replace(tiny_config, **changes)
    net = networks.build(config).generator
    params, key = net.init(jax.random.key(0)), jax.random.key(1)
    content = networks.repeat_content(jax.random.normal(key, (2, config.w_dim)), net.n_layers)
    lat = Latents(content, jax.random.normal(jax.random.key(2), (2, config.motion_dim)))
    times, fourier = jnp.array([[0.0, 0.7], [0.2, 1.0]]), kernels.fourier

    @jax.jit
    def draw(params, lat, times):
        calls = []
        monkeypatch.setattr(kernels, "fourier", lambda *waves: calls.append(waves[:2]) or fourier(*waves))
        net.synthesis(params, lat, times, grids.native(config.resolution, config.base))
        return calls  # alone: the rest is not compiled

    drawn = draw(params, lat, times)
    shown = inside.waves(config, params, lat, times)
    assert [level.resolution for level in shown] == grids.pyramid(config.resolution, config.base)
    assert len(drawn) == len(shown)
    for (frequency, phase), level in zip(drawn, shown):
        np.testing.assert_allclose(level.frequency, np.broadcast_to(frequency, level.frequency.shape), rtol=1e-6)
        np.testing.assert_allclose(level.phase, phase, rtol=1e-5, atol=1e-5)  # compiled and not


def test_phases_at_rest_know_no_motion(tiny_config, tiny_params):
    lat = Latents(jnp.ones((2, networks.build(tiny_config).generator.n_layers, 16)), jnp.eye(2, 16))
    [level] = inside.waves(tiny_config, tiny_params, lat, jnp.array([[0.0, 1.0]] * 2))
    np.testing.assert_array_equal(level.phase[0, 0], level.phase[1, 0])
    assert np.abs(level.phase[0, 1] - level.phase[1, 1]).max() > 1e-4
    assert level.frequency.shape == (2, tiny_config.n_frequencies, 2)
