"""Styles pooled over instances and painted over them, against loops."""

import jax
import jax.numpy as jnp
import numpy as np

from digan_jax.models.condition import styles


def test_means_are_those_of_each_instance_and_are_painted_over_it():
    draw = np.random.default_rng(0)
    here = draw.integers(-1, 4, (2, 6, 5)).astype(np.int32)
    features = draw.normal(size=(2, 6, 5, 3)).astype(np.float32)
    found = np.asarray(styles.means(jnp.asarray(features), jnp.asarray(here)))
    assert found.shape == (2, styles.INSTANCES, 3) and not found[:, 4:].any()
    for b in range(2):
        for i in range(4):
            np.testing.assert_allclose(found[b, i], features[b][here[b] == i].mean(0), rtol=1e-5)  # float32
    there = draw.integers(0, 4, (2, 3, 4, 4)).astype(np.int32)
    painted = np.asarray(styles.painted(jnp.asarray(found), jnp.asarray(there)))
    np.testing.assert_allclose(painted, np.stack([found[b][there[b]] for b in range(2)]), rtol=1e-6)


def test_a_style_depends_on_the_pixels_near_its_instance_alone():
    encoder = styles.StyleEncoder(4)
    frame = jax.random.normal(jax.random.key(0), (1, 16, 16, 3))
    here = jnp.zeros((1, 16, 16), jnp.int32).at[:, :, 12:].set(1)
    params = encoder.init(jax.random.key(1), frame, here)
    apply = jax.jit(encoder.apply)
    before, after = apply(params, frame, here), apply(params, frame.at[:, :, :8].set(0.5), here)
    np.testing.assert_allclose(before[0, 1], after[0, 1], atol=1e-6)  # three 3x3 convolutions reach three pixels
    assert np.abs(before[0, 0] - after[0, 0]).max() > 1e-3
