"""`digan invert`, and rendering what it found."""

import numpy as np
import pytest
from PIL import Image

from digan_jax import cli


@pytest.fixture(scope="module")
def video(tiny_model, tmp_path_factory):
    """Five frames of the tiny model's own clip 1000, 32 x 32."""
    folder = tmp_path_factory.mktemp("video")
    for i, frame in enumerate(tiny_model.sample([1000], np.linspace(0, 1, 5))[0]):
        Image.fromarray(np.rint(np.clip(frame * 127.5 + 127.5, 0, 255)).astype(np.uint8)).save(folder / f"{i}.png")
    return str(folder)


def test_requests_that_cannot_be(video, tiny_run, tmp_path, capsys):
    def refused(*flags, video=video, out="a.npz"):
        assert cli.main(["invert", video, "--run", str(tiny_run), "--out", str(tmp_path / out), *flags]) == 2
        assert not list(tmp_path.glob("*.npz"))
        return capsys.readouterr().err

    assert "latents are written as .npz" in refused(out="a.mp4")
    assert "--frames 1: motion needs 2 frames or more" in refused("--frames", "1")
    assert "--steps -1: must lie in" in refused("--steps", "-1")
    (tmp_path / "one").mkdir()
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "one" / "0.png")
    assert "has 1 frame; motion needs 2 or more" in refused(video=str(tmp_path / "one"))


def test_a_dry_run_says_what_would_be_done(video, tiny_run, tmp_path, capsys):
    assert cli.main(["invert", video, "--run", str(tiny_run), "--out", str(tmp_path / "a.npz"), "--dry-run"]) == 0
    assert "latents of 5 frames of 32x32, times 0 to 0.2667" in capsys.readouterr().out  # of clips of 16 frames


@pytest.mark.slow
def test_latents_are_found_and_rendered_in_every_way(video, tiny_run, tmp_path, capsys):
    file, out = str(tmp_path / "a.npz"), tmp_path / "b.npz"
    made = ["invert", video, "--run", str(tiny_run), "--out", file, "--steps", "3", "--perceptual", "0"]
    assert cli.main(made) == 0 and "5 frames, " in capsys.readouterr().out

    def drawn(*flags):
        assert cli.main(["render", "--run", str(tiny_run), "--latents", file, "--out", str(out), *flags]) == 0
        return np.load(out)["frames"]

    clip, slow = drawn("--frames", "3"), drawn("--frames", "3", "--slow", "2")
    np.testing.assert_allclose(slow[::2], clip, atol=1e-5)
    assert drawn("--size", "20x10").shape == (16, 10, 20, 3)
    assert np.abs(drawn("--frames", "3", "--motion-ids", "7") - clip)[1:].max() > 1e-4
    assert np.abs(drawn("--frames", "3", "--truncation", "0.3") - clip).max() > 1e-4
    assert cli.main(["render", "--run", str(tiny_run), "--latents", file, "--ids", "1", "--out", str(out)]) == 2
    assert "has 1 clips, numbered from 0; there is no 1" in capsys.readouterr().err
    assert cli.main(["render", "--run", str(tiny_run), "--latents", file, "--walk", "1,2", "--out", str(out)]) == 2
    assert "--latents: are of one clip each; leave --walk, --mix and --label out" in capsys.readouterr().err
