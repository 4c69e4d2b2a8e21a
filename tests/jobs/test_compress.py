"""`digan compress` and `digan decompress`, from file to file."""

import numpy as np
import pytest
from PIL import Image

from digan_jax import cli
from digan_jax.data import bouncing


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    folder = tmp_path_factory.mktemp("video")
    for i, picture in enumerate(bouncing.render(2, np.linspace(0, 1, 4), (16, 24))):
        Image.fromarray(picture).save(folder / f"{i}.png")
    return str(folder)


def test_a_clip_comes_back_at_any_size_and_rate(video, tmp_path, capsys):
    file, out = tmp_path / "a.dnv", tmp_path / "a.npz"
    made = ["compress", video, "--out", str(file), "--bits", "3", "--steps", "40"]
    assert cli.main([*made, "--dry-run"]) == 0 and not file.exists()
    assert "4 frames of 24x16 pixels at 8 a second" in capsys.readouterr().out
    assert cli.main(made) == 0
    assert f"{file.stat().st_size} bytes" in capsys.readouterr().out
    assert cli.main(["decompress", str(file), "--out", str(out)]) == 0
    assert np.load(out)["frames"].shape == (4, 16, 24, 3) and np.load(out)["fps"] == 8
    assert cli.main(["decompress", str(file), "--out", str(out), "--size", "50x30", "--fps", "20"]) == 0
    assert np.load(out)["frames"].shape == (10, 30, 50, 3)
    again = ["decompress", "--again", str(out), "--out", str(tmp_path / "c.npz"), "--fps", "8"]
    assert cli.main([*again, "--dry-run"]) == 0 and not (tmp_path / "c.npz").exists()
    assert "c.npz: 4 frames of 50x30 pixels at 8 a second, from 4 of 24x16 at 8." in capsys.readouterr().out
    assert cli.main(again) == 0 and np.load(tmp_path / "c.npz")["frames"].shape == (4, 30, 50, 3)
    written = (tmp_path / "c.npz").stat().st_mtime_ns
    assert cli.main([*again, "--continue"]) == 0 and (tmp_path / "c.npz").stat().st_mtime_ns == written
    assert cli.main(["decompress", "--out", str(out)]) == 2
    assert "a .dnv file is required; see: digan decompress --help" in capsys.readouterr().err
    file.write_bytes(file.read_bytes()[:-5])
    assert cli.main(["decompress", str(file), "--out", str(tmp_path / "b.npz")]) == 2
    assert "a.dnv: is damaged" in capsys.readouterr().err and not (tmp_path / "b.npz").exists()


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--out", "a.mp4"], "a.mp4: compressed clips are written as .dnv"),
        (["--out", "a.dnv", "--bits", "99"], "--bits 99.0: must lie between"),
        (["--out", "a.dnv", "--steps", "0"], "--steps 0: must lie in"),
    ],
)
def test_requests_that_cannot_be(video, capsys, flags, message):
    assert cli.main(["compress", video, *flags]) == 2
    assert message in capsys.readouterr().err


def test_videos_without_frames(tmp_path, capsys):
    assert cli.main(["compress", str(tmp_path), "--out", str(tmp_path / "a.dnv")]) == 2
    assert "holds no frames" in capsys.readouterr().err
