import sys

import numpy as np
import pytest

from digan_jax.errors import InputError
from digan_jax.evaluation.metrics import fidelity


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    original = rng.integers(0, 256, (3, 20, 24, 3)).astype(np.uint8)
    noisy = np.clip(original + rng.normal(0, 25, original.shape), 0, 255).astype(np.uint8)
    return noisy, original


def test_psnr_is_its_definition(pair):
    error = np.mean((pair[0].astype(np.float64) - pair[1]) ** 2)
    np.testing.assert_allclose(fidelity.psnr(*pair), 10 * np.log10(255**2 / error), rtol=1e-12)
    assert fidelity.psnr(pair[1], pair[1]) == float("inf")


def ssim_slowly(x, y):
    """Wang et al. 2004, of two pictures [h w]: a window of 11 x 11 at each place where it fits."""
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(taps, taps) / taps.sum() ** 2
    c1, c2, found = (0.01 * 255) ** 2, (0.03 * 255) ** 2, []
    for i, j in np.ndindex(x.shape[0] - 10, x.shape[1] - 10):
        a, b = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
        ma, mb = (window * a).sum(), (window * b).sum()
        va, vb, cov = ((window * u * v).sum() for u, v in ((a - ma, a - ma), (b - mb, b - mb), (a - ma, b - mb)))
        found.append((2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
    return np.mean(found)


def test_ssim_is_its_definition(pair):
    x, y = (clip.astype(np.float64) for clip in pair)
    expected = [np.mean([ssim_slowly(x[t, ..., c], y[t, ..., c]) for c in range(3)]) for t in range(len(x))]
    np.testing.assert_allclose(fidelity.ssim(*pair), expected, atol=1e-10)  # asked for: 1e-5
    np.testing.assert_allclose(fidelity.ssim(pair[1], pair[1]), 1)


def test_without_the_library_the_cure_is_named(pair, monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    with pytest.raises(InputError, match=r"needs scikit-image; pip install .digan-jax\[eval\]"):
        fidelity.ssim(*pair)


def warp_slowly(frame, flow):
    h, w = frame.shape[:2]
    out = np.zeros(frame.shape)
    for i, j in np.ndindex(h, w):
        y, x = np.clip(i + flow[i, j, 0], 0, h - 1), np.clip(j + flow[i, j, 1], 0, w - 1)
        top, left = int(y), int(x)
        for row, down in ((top, 1 - y + top), (min(top + 1, h - 1), y - top)):
            for column, across in ((left, 1 - x + left), (min(left + 1, w - 1), x - left)):
                out[i, j] += down * across * frame[row, column]
    return out


def test_warping_is_bilinear_and_repeats_the_edges():
    rng = np.random.default_rng(0)
    frame, flow = rng.random((6, 7, 3)), rng.normal(0, 3, (6, 7, 2))
    np.testing.assert_allclose(fidelity.warp(frame, flow), warp_slowly(frame, flow), atol=1e-12)
    np.testing.assert_array_equal(fidelity.warp(frame, 0 * flow), frame)


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
