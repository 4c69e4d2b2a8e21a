import hashlib

import numpy as np
import pytest

from digan_jax.errors import InputError
from digan_jax.evaluation import resizing
from digan_jax.evaluation.features import c3d, extractors
from digan_jax.evaluation.metrics.inception_score import inception_score

THIN = {name: (3 + k % 3, pooled) for k, (name, (_, pooled)) in enumerate(c3d.CONVOLUTIONS.items())}


@pytest.fixture
def thin(monkeypatch, tmp_path):
    """C3D of few channels, drawn: its state, the mean, and the paths of both files."""
    monkeypatch.setattr(c3d, "CONVOLUTIONS", THIN)
    monkeypatch.setattr(c3d, "DENSE", {"fc6": 12, "fc7": 11, "fc8": 101})
    random, state, inputs = np.random.default_rng(0), {}, 3
    for name, (outputs, _) in THIN.items():
        state[f"{name}/W"] = random.normal(size=(outputs, inputs, 3, 3, 3)) * (2 / (27 * inputs)) ** 0.5
        inputs = outputs
    inputs *= 16
    for name, outputs in c3d.DENSE.items():
        state[f"{name}/W"] = random.normal(size=(outputs, inputs)) * (2 / inputs) ** 0.5
        inputs = outputs
    state["fc8/W"] *= 0.01  # of grey levels, logits of about 1
    for name in list(state):
        state[name.replace("/W", "/b")] = 0.1 * random.normal(size=len(state[name]))
    mean = random.uniform(80, 120, (3, 16, 128, 171))
    np.savez(tmp_path / "c3d.npz", **{name: array.astype(np.float32) for name, array in state.items()})
    np.savez(tmp_path / "mean.npz", mean=mean.astype(np.float32).reshape(1, *mean.shape))
    return state, mean, (str(tmp_path / "c3d.npz"), str(tmp_path / "mean.npz"))


def twin(state, mean, clip):
    """The definition, a tap at a time in float64 and in Chainer's order of axes [c t h w], of a clip [16 128 128 3]."""
    x = np.moveaxis(clip.astype(np.float64), -1, 0)[::-1]
    x = (x - mean[:, :, :, 21:149])[:, :, 8:120, 8:120]
    for name, (_, pooled) in THIN.items():
        padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (1, 1)])
        t, h, w = x.shape[1:]
        y = state[f"{name}/b"][:, None, None, None] + np.zeros((1, t, h, w))
        for i, j, k in np.ndindex(3, 3, 3):
            y += np.tensordot(state[f"{name}/W"][:, :, i, j, k], padded[:, i : i + t, j : j + h, k : k + w], 1)
        x = np.maximum(y, 0)
        if pooled:
            by = 1 if name == "conv1a" else 2
            rows, columns = (-(-length // 2) for length in x.shape[2:])
            x = np.stack([x[:, i * by : (i + 1) * by].max(1) for i in range(x.shape[1] // by)], 1)
            x = np.stack([x[:, :, 2 * i : 2 * i + 2].max(2) for i in range(rows)], 2)
            x = np.stack([x[:, :, :, 2 * j : 2 * j + 2].max(3) for j in range(columns)], 3)
    x = x.ravel()
    for name in ("fc6", "fc7", "fc8"):
        x = state[f"{name}/W"] @ x + state[f"{name}/b"]
        x = x if name == "fc8" else np.maximum(x, 0)
    return np.exp(x - x.max()) / np.exp(x - x.max()).sum()


def test_probabilities_are_the_definitions(thin):
    state, mean, files = thin
    clips = np.random.default_rng(1).integers(0, 256, (1, 16, 128, 128, 3)).astype(np.float32)
    weights, checksum = c3d.load(*files)
    assert checksum == hashlib.sha256(b"".join(open(f, "rb").read() for f in files)).hexdigest()
    found, expected = c3d.probabilities(weights, clips), twin(state, mean, clips[0])[None]
    # float32 against float64 through eleven layers: 1e-5 of a logit; another order of colours or axes moves them by tenths.
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    assert np.abs(np.log(expected[0] / twin(state, mean, clips[0, ..., ::-1]))).max() > 0.05


def test_from_bytes_of_any_size_on(thin):
    state, mean, files = thin
    clip = np.random.default_rng(1).integers(0, 256, (1, 16, 40, 60, 3), np.uint8)
    network = extractors.c3d_extractor(*files)
    rows, columns = resizing.matrices(40, 60, network.size, network.resize)
    (found,) = np.asarray(network.apply(network.weights, clip, rows, columns))  # on one device, not on all
    large = np.einsum("ph,thwc,qw->tpqc", rows, clip[0], columns, optimize=True)
    np.testing.assert_allclose(found, twin(state, mean, large), rtol=1e-3)  # as above
    assert network.checksum[:16] in network.key and "cubic" in network.key


def test_cubic_resizing_is_opencvs():
    """Numbers that cv2.resize of opencv-python-headless 5.0.0 gave with INTER_CUBIC, enlarging and shrinking."""
    for (h, w), first, middle, last in (
        ((48, 64), (154.20644, 153.7753), (60.010292, 67.28102, 143.64804), (221.3098, 73.13491, 62.72603)),
        ((160, 300), (158.53093, 150.28636), (198.37262, 227.96846, 198.38338), (201.34232, 31.843653, 181.50735)),
    ):
        i, j, c = np.ogrid[:h, :w, :3]
        picture = (np.sin(0.3 * (i + 1) * (c + 1)) * np.cos(0.2 * (j + 1)) * 100 + 128).astype(np.float32)
        rows, columns = resizing.matrices(h, w, 128, "cubic")
        found = np.einsum("ph,hwc,qw->pqc", rows, picture, columns, optimize=True)
        for numbers, expected in ((found[0, :2, 0], first), (found[64, 100], middle), (found[127, 127], last)):
            np.testing.assert_allclose(numbers, expected, atol=1e-3)  # grey levels; OpenCV's weights are float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {k: v for k, v in s.items() if k != "conv3b/W"}, "c3d.npz: lacks conv3b/W; it is not the C3D"),
        (lambda s: s | {"conv3b/b": s["conv3b/b"][1:]}, r"conv3b/b has shape \(2,\), not \(3,\)"),
        (lambda s: s | {"fc8/W": s["fc8/W"][:100]}, r"fc8/W has shape \(100, 11\), not \(101, 11\)"),
    ],
)
def test_weights_that_are_not_c3ds(thin, tmp_path, change, message):
    np.savez(tmp_path / "c3d.npz", **change(thin[0]))
    with pytest.raises(InputError, match=message):
        c3d.load(*thin[2])


def test_files_that_are_something_else(thin, tmp_path):
    weights, mean = thin[2]
    with pytest.raises(InputError, match=r"c3d.npz: holds .*not the mean of C3D, an array `mean` of \(3, 16, 128, 171\)"):
        c3d.load(weights, weights)
    np.savez(tmp_path / "mean.npz", mean=np.zeros((16, 112, 112, 3)))
    with pytest.raises(InputError, match=r"'mean': \(16, 112, 112, 3\)"):
        c3d.load(weights, mean)
    np.save(tmp_path / "one.npy", np.zeros(3))
    for name, content in (("none.npz", None), ("text.npz", b"text")):
        if content:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name}: is damaged, or no .npz"):
            c3d.load(tmp_path / name, mean)
    with pytest.raises(InputError, match="one.npy: lacks conv1a/W"):
        c3d.load(tmp_path / "one.npy", mean)


# ---- the score ----


def test_closed_forms_of_the_score():
    sure = np.eye(101, dtype=np.float32).repeat(4, 0)
    # The 1e-7 in both logarithms, of probabilities of 1/101: 1e-5 of the score.
    np.testing.assert_allclose(inception_score(sure), 101, rtol=2e-5)
    np.testing.assert_allclose(inception_score(sure[:40]), 10, rtol=2e-5)
    alike = np.tile(np.random.default_rng(0).dirichlet(np.ones(101)), (50, 1))
    np.testing.assert_allclose(inception_score(alike), 1, rtol=1e-12)
    # Two clips of two classes, p and 1 - p: KL to the even mixture is log 2 - H(p).
    p = np.array([[0.9, 0.1], [0.1, 0.9]])
    np.testing.assert_allclose(inception_score(p), 2 * 0.9**0.9 * 0.1**0.1, rtol=1e-6)
