import itertools

import numpy as np
import pytest

from digan_jax.evaluation.metrics import motion


@pytest.fixture
def clip():
    return np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3), np.uint8)


def test_frozen_and_shuffled(clip):
    assert (motion.frozen(clip) == clip[0]).all() and motion.frozen(clip).shape == clip.shape
    other = motion.shuffled(clip, 0)
    assert not (other == clip).all() and sorted(f.tobytes() for f in other) == sorted(f.tobytes() for f in clip)
    assert all(not (motion.shuffled(clip[:2], seed) == clip[:2]).all() for seed in range(8))


def test_flicker_of_even_motion_is_none():
    ramp = np.arange(6.0)[:, None, None, None] * np.ones((1, 4, 4, 3))
    assert motion.flicker(ramp) == 0
    blinking = np.array([0, 10, 0, 10, 0])[:, None, None, None] * np.ones((1, 4, 4, 3))
    assert motion.flicker(blinking) == 20
    np.testing.assert_array_equal(motion.flicker(np.stack([blinking, 0 * blinking])), [20, 0])


def test_drift_says_what_changes():
    y, x = np.mgrid[0:8, 0:8]
    frames = np.stack([np.stack([4.0 * x * (5 - t) + 3 * t, 0 * x, 0 * x], -1) for t in range(5)])
    curves = motion.drift(frames[None])
    np.testing.assert_allclose(curves["red"], [14.0 * (5 - t) + 3 * t for t in range(5)])
    np.testing.assert_allclose(curves["sharpness"], [4 / 3 * (5 - t) for t in range(5)])  # grey: a third of red
    assert curves["motion"].shape == (4,) and (curves["green"] == 0).all()


def test_diversity_is_the_mean_over_pairs():
    clips = np.random.default_rng(0).normal(size=(2, 4, 3, 2, 2, 3))
    pairs = [((a - b) ** 2).mean((1, 2, 3)) for c in clips for a, b in itertools.combinations(c, 2)]
    np.testing.assert_allclose(motion.diversity(clips), np.sqrt(np.mean(pairs, 0)))
