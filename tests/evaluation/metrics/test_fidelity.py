import numpy as np
import pytest
import skimage.metrics

from digan_jax.evaluation.metrics import fidelity


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    original = rng.integers(0, 256, (3, 20, 24, 3)).astype(np.uint8)
    noisy = np.clip(original + rng.normal(0, 25, original.shape), 0, 255).astype(np.uint8)
    return noisy, original


def test_psnr_is_scikit_images(pair):
    expected = skimage.metrics.peak_signal_noise_ratio(pair[1], pair[0], data_range=255)
    np.testing.assert_allclose(fidelity.psnr(*pair), expected, rtol=1e-12)
    assert fidelity.psnr(pair[1], pair[1]) == float("inf")


def test_ssim_is_scikit_images(pair):
    options = dict(data_range=255, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    expected = [skimage.metrics.structural_similarity(a, b, **options) for a, b in zip(*pair)]
    np.testing.assert_allclose(fidelity.ssim(*pair), expected, atol=1e-10)  # asked for: 1e-5
    np.testing.assert_allclose(fidelity.ssim(pair[1], pair[1]), 1)


def test_warping_by_whole_and_half_pixels():
    frame = np.random.default_rng(0).random((6, 7, 3))
    flow = np.zeros((6, 7, 2))
    np.testing.assert_array_equal(fidelity.warp(frame, flow), frame)
    flow[..., 1] = 2
    np.testing.assert_allclose(fidelity.warp(frame, flow)[:, :5], frame[:, 2:])
    flow[..., 0], flow[..., 1] = 0.5, 0
    np.testing.assert_allclose(fidelity.warp(frame, flow)[:5], (frame[:-1] + frame[1:]) / 2)


def test_warping_error_of_known_motion():
    ground = np.random.default_rng(0).integers(0, 250, (12, 30, 3)).astype(np.uint8)
    clip = np.stack([ground[:, t : t + 20] for t in range(4)])  # moves one pixel to the left a frame
    flow = np.zeros((3, 12, 20, 2))
    flow[..., 1] = -1
    visible = np.ones((3, 12, 20), bool)
    visible[:, :, 0] = False
    assert fidelity.warping_error(clip, flow, visible) == 0
    brighter = clip.copy()
    brighter[1::2] += 5
    np.testing.assert_allclose(fidelity.warping_error(brighter, flow, visible), 5)


def test_what_is_hidden_does_not_come_back():
    forward, backward = np.zeros((8, 8, 2)), np.zeros((8, 8, 2))
    forward[2:4, 2:4] = 3  # comes to rest where nothing moved
    seen = fidelity.consistent(forward, backward)
    assert not seen[2:4, 2:4].any() and seen.sum() == 60
    assert fidelity.consistent(np.full((8, 8, 2), 1.0), np.full((8, 8, 2), -1.0)).all()
