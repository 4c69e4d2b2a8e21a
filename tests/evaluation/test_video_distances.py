import numpy as np
import pytest
import skimage.transform

from digan_jax import evaluation
from digan_jax.errors import InputError
from digan_jax.evaluation import resizing
from digan_jax.evaluation.features import extractors, i3d
from digan_jax.evaluation.metrics import frechet
from tests.evaluation.golden_i3d import golden


def for_i3d(clips, size=i3d.SIZE):
    """What the network sees of uint8 clips."""
    return np.asarray(resizing.resize(clips, *resizing.matrices(*clips.shape[2:4], size))) / 127.5 - 1


def test_preprocessing_is_golden():
    corner = np.moveaxis(golden()["preprocessed_corner"], 1, -1)
    n, t, h, w, _ = corner.shape
    found = for_i3d(golden()["videos"])
    assert found.shape[2:] == (224, 224, 3) and found.dtype == np.float32
    np.testing.assert_allclose(found[:n, :t, :h, :w], corner, atol=1e-6)  # rounding of float32


@pytest.mark.parametrize("h, w", [(20, 30), (30, 20), (8, 8), (50, 41)])
def test_resizing_is_scikit_images(h, w):
    """Bilinear, half-pixel centres, no antialiasing, then the centre square; up and down."""
    clip = np.random.default_rng(0).integers(0, 256, (1, 1, h, w, 3), np.uint8)
    size = 16
    rows, columns = (-(-length * size // min(h, w)) for length in (h, w))
    whole = skimage.transform.resize(
        clip[0, 0].astype(np.float64), (rows, columns), order=1, mode="edge", anti_aliasing=False
    )
    top, left = (rows - size) // 2, (columns - size) // 2
    expected = whole[top : top + size, left : left + size] / 127.5 - 1
    np.testing.assert_allclose(for_i3d(clip, size)[0, 0], expected, atol=1e-6)


@pytest.fixture
def mean_colours(monkeypatch):
    """Instead of I3D: the mean colour of each clip, so that distances are known."""
    def apply(weights, clips, rows, columns):
        return (resizing.resize(clips, rows, columns) / 127.5 - 1).mean((1, 2, 3))

    network = extractors.Extractor("i3d", "0" * 64, {}, apply, i3d.SIZE, "crop", batch_per_device=1)
    monkeypatch.setattr(extractors, "i3d_extractor", lambda resize, weights: network)


def clips(n, value, spread=0):
    rng = np.random.default_rng(n)
    frames = np.full((n, 10, 4, 6, 3), value, np.int64) + rng.integers(-spread, spread + 1, (n, 1, 1, 1, 3))
    return frames.astype(np.uint8)


def test_fvd_and_kvd_are_distances_of_features(mean_colours):
    real, fake = clips(7, 100, 20), clips(9, 120, 20)
    as_features = [x.mean((1, 2, 3)) / 127.5 - 1 for x in (real, fake)]
    np.testing.assert_allclose(evaluation.fvd(real, fake), frechet.frechet_distance(*as_features), rtol=1e-5)
    np.testing.assert_allclose(evaluation.kvd(real, fake), frechet.polynomial_mmd(*as_features), rtol=1e-4)
    assert evaluation.fvd(real, real) < 1e-6 < evaluation.fvd(real, fake)


def test_sizes_may_differ(mean_colours):
    larger = np.repeat(np.repeat(clips(9, 120), 2, 2), 2, 3)
    np.testing.assert_allclose(evaluation.fvd(clips(7, 100), larger), 3 * (20 / 127.5) ** 2, rtol=1e-5)


@pytest.mark.parametrize("distance", [evaluation.fvd, evaluation.kvd])
@pytest.mark.parametrize(
    "change, message",
    [
        (lambda x: x.astype(np.float32), "fake clips are float32: give uint8"),
        (lambda x: x[:1], "1 fake clips"),
        (lambda x: x[:, :8], "fake clips have 8 frames"),
        (lambda x: x[:, :9], "real clips have 10 frames, fake ones 9: cut the longer"),
        (lambda x: x[..., :1], "shape"),
        (lambda x: x[0], "shape"),
    ],
)
def test_bad_clips(distance, change, message):
    with pytest.raises(InputError, match=message):
        distance(clips(4, 100), change(clips(4, 100)))
