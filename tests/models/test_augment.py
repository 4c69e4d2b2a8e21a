import jax
import numpy as np
import pytest

from digan_jax.models.digan import augment
from tests.interop.golden import GOLDEN, channels_last


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "diffaugment.npz") as file:
        return dict(file)


def test_golden_augmentations(golden):
    """Each in turn on the result of the one before, with the recorded draws; 1e-6 is float32 rounding of values near 1."""
    x = channels_last(golden["frames"])
    for name in ("brightness", "saturation", "contrast"):
        x = getattr(augment, name)(x, golden[f"draws/rand_{name}"].ravel())
        np.testing.assert_allclose(x, channels_last(golden[f"after/rand_{name}"]), atol=1e-6)
    shift = -golden["draws/rand_translation"].T  # the release draws the offset at which it reads
    x = augment.translate(x, shift)
    np.testing.assert_allclose(x, channels_last(golden["after/rand_translation"]), atol=1e-6)


def test_translation_is_exact_and_leaves_zeros():
    x = np.arange(2 * 2 * 5 * 6 * 3, dtype=np.float32).reshape(2, 2, 5, 6, 3)
    moved = np.asarray(augment.translate(x, np.array([[2, -1], [0, 0]])))
    twin = np.zeros_like(x[0])
    twin[:, 2:, :-1] = x[0][:, :-2, 1:]
    np.testing.assert_array_equal(moved[0], twin)
    np.testing.assert_array_equal(moved[1], x[1])


def test_both_frames_of_a_pair_get_one_draw():
    frame = np.random.default_rng(0).normal(size=(8, 1, 16, 16, 3)).astype(np.float32)
    pair = np.concatenate([frame, frame], axis=1)
    draws = augment.draw(jax.random.key(0), 8, 16)
    out = np.asarray(augment.augment(pair, draws, ("color", "translation", "cutout")))
    np.testing.assert_array_equal(out[:, 0], out[:, 1])
    assert len({x.tobytes() for x in out[:, 0]}) == 8  # but every pair its own


def test_cutout_zeroes_half_the_side():
    ones = np.ones((3, 2, 16, 16, 3), np.float32)
    out = np.asarray(augment.cut_out(ones, np.array([[8, 8], [0, 0], [16, 8]])))
    assert (out[0, 0, 4:12, 4:12] == 0).all() and out[0, 0].sum() == (256 - 64) * 3
    assert (out[1, 0, :4, :4] == 0).all() and out[1, 0].sum() == (256 - 16) * 3  # cut off at the corner
    assert out[2, 0].sum() == (256 - 32) * 3


def test_draws_keep_their_ranges():
    draws = jax.jit(augment.draw, static_argnums=(1, 2))(jax.random.key(0), 4000, 32)
    assert int(draws.shift.min()) == -4 and int(draws.shift.max()) == 4  # 1/8 of 32
    assert int(draws.cutout.min()) == 0 and int(draws.cutout.max()) == 32
    for u in (draws.brightness, draws.saturation, draws.contrast):
        assert 0 <= float(u.min()) < 0.01 and 0.99 < float(u.max()) < 1  # 4000 draws come within 0.01 of both ends
