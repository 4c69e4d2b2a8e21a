import importlib.metadata
import sys

import numpy as np
import pytest

from digan_jax import cli
from digan_jax.errors import InputError
from digan_jax.evaluation import pairs
from digan_jax.evaluation.features import stlpips
from digan_jax.evaluation.metrics import motion
from digan_jax.jobs import evaluate


def _installed() -> bool:
    try:
        return bool(importlib.metadata.version(stlpips.SOURCE.package))
    except importlib.metadata.PackageNotFoundError:
        return False


pytestmark = pytest.mark.skipif(not _installed(), reason="the extra [eval]")


def moving(frames=6, size=40, seed=0):
    """uint8 [t h w 3]: a smooth picture that moves by (1, 2) pixels a frame."""
    y, x = np.mgrid[0:size, 0:size]
    phase = np.random.default_rng(seed).uniform(0, 6, 3)
    picture = lambda t: np.stack([np.sin((x + 2 * t) / 5 + p) * np.cos((y + t) / 7 + 2 * p) for p in phase], -1)
    return np.stack([np.rint(127.5 + 110 * picture(t)) for t in range(frames)]).astype(np.uint8)


def jittered(clip):
    """Each frame moved by up to a pixel, and a little brighter or darker."""
    random = np.random.default_rng(0)
    moved = [np.roll(frame, random.integers(-1, 2, 2), (0, 1)).astype(int) + random.integers(-6, 7) for frame in clip]
    return np.clip(moved, 0, 255).astype(np.uint8)


def test_st_lpips_is_the_packages():
    """Numbers that its own PyTorch code (stlpips_pytorch 0.0.2, net alex, shift_tolerant) gave for these pictures."""
    h, w, c = np.ogrid[:45, :56, :3]
    a = np.sin(0.3 * (h + 1) * (c + 1) + 0 * w) * np.cos(0.2 * (w + 1))
    others = [np.clip(a + 0.3 * np.cos(0.9 * h + 0.5 * w + c), -1, 1), np.roll(a, 1, 1), -a]
    first, second = np.stack([a] * 3).astype(np.float32), np.stack(others).astype(np.float32)
    found = stlpips.distance(stlpips.load(), first, second)
    expected = [0.03029673732817173, 0.0027407854795455933, 0.1288471817970276]
    np.testing.assert_allclose(found, expected, rtol=1e-4)  # sums of float32 in another order: about 1e-6
    assert "stlpips_pytorch" not in sys.modules


def test_equal_clips():
    found = pairs.numbers(moving(), moving(), {"st_lpips": stlpips.load()})
    assert found["psnr"] == float("inf") and found["st_lpips"] == 0
    np.testing.assert_allclose(found["ssim"], 1)
    assert found["warping_error"] == found["warping_error_of_original"]


def test_steadiness_is_ordered():
    """Ground truth before jittered before shuffled, by warping error and by flicker."""
    clip, weights = moving(), {"st_lpips": stlpips.load()}
    rows = [pairs.numbers(c, clip, weights) for c in (clip, jittered(clip), motion.shuffled(clip, 0))]
    for name in ("warping_error", "flicker"):
        values = [row[name] for row in rows]
        assert values[0] < 0.5 * values[1] and values[1] < values[2], (name, values)


def test_noise_is_farther_the_more_there_is():
    clip, weights = moving(3), {"st_lpips": stlpips.load()}
    random = np.random.default_rng(0)
    noise = random.normal(size=clip.shape)
    rows = [
        pairs.numbers(np.clip(clip + s * noise, 0, 255).astype(np.uint8), clip, weights) for s in (2, 8, 30)
    ]
    for name, direction in (("psnr", -1), ("ssim", -1), ("st_lpips", 1)):
        assert (np.diff([row[name] for row in rows]) * direction > 0).all(), name


def test_flow_follows_the_motion():
    forward, visible = pairs.flows(moving())
    inside = np.s_[:, 8:-8, 8:-8]
    # The picture moves by (-1, -2); Lucas-Kanade finds it within a tenth of a pixel where it is smooth.
    np.testing.assert_allclose(np.median(forward[inside], (0, 1, 2)), [-1, -2], atol=0.1)
    assert visible[inside].mean() > 0.9


def test_the_verb(tmp_path, capsys):
    originals = np.stack([moving(3, seed=s) for s in range(2)])
    for name, clips in (("originals", originals), ("restored", originals ^ 3)):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "clips.npz", clips)
    out = tmp_path / "pairs.json"
    words = ["evaluate", "--fake", str(tmp_path / "restored"), "--pairs", str(tmp_path / "originals"), "--out", str(out)]
    assert cli.main(words) == 0
    import json

    found = json.loads(out.read_text())
    assert found["pairs"] == 2 and len(found["of_each"]) == 2 and 30 < found["mean"]["psnr"] < 50
    assert found["mean"]["psnr"] == pytest.approx(np.mean([row["psnr"] for row in found["of_each"]]))
    assert "st_lpips" in capsys.readouterr().out
    assert "lpips" not in found["mean"]
    with pytest.raises(InputError, match="is no report"):
        evaluate.read(out)


def test_lpips_stands_there_with_its_files_alone(tmp_path, monkeypatch):
    clips = np.stack([moving(3), moving(3, seed=1)])
    for name, array in (("a", clips ^ 3), ("b", clips)):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "clips.npz", array)
    monkeypatch.setattr(pairs.lpips, "load", lambda files: (pairs.stlpips.load(), f"sum of {files}"))
    monkeypatch.setattr(pairs.lpips, "distance", pairs.stlpips.distance)  # compiled already
    found = pairs.evaluate(tmp_path / "a", tmp_path / "b", lpips_files=["x.pth"])
    assert found["mean"]["lpips"] == found["mean"]["st_lpips"] > 0
    assert found["weights"]["lpips"] == "sum of ['x.pth']" and "2018" in pairs.table(found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c[:1], "holds 1 clips and .* 2: pairs need as many"),
        (lambda c: c[:, :4], r"has 4 frames and .* 5"),
        (lambda c: c[:, :, :36], "are 40x36 in .* 40x40"),
    ],
)
def test_clips_that_are_no_pairs(tmp_path, change, message):
    clips = np.stack([moving(5), moving(5, seed=1)])
    for name, array in (("a", change(clips)), ("b", clips)):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "clips.npz", array)
    with pytest.raises(InputError, match=message):
        pairs.evaluate(tmp_path / "a", tmp_path / "b")
