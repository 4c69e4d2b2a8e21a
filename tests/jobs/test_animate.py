"""`digan animate`: requests, and with an untrained model the whole way from file to file."""

import numpy as np
import pytest
from PIL import Image

from digan_jax import cli
from digan_jax.data import bouncing


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    file = tmp_path_factory.mktemp("still") / "still.png"
    Image.fromarray(bouncing.render(4, [0.0], (40, 60))[0]).save(file)
    return str(file)


@pytest.fixture(scope="module")
def animating_run(task_run):
    return task_run("animate")


def test_requests_that_cannot_be(still, tiny_run, animating_run, tmp_path, capsys):
    def refused(*flags, run=animating_run):
        out = tmp_path / "a.npz"
        assert cli.main(["animate", *flags, "--run", str(run), "--out", str(out)]) == 2 and not out.exists()
        return capsys.readouterr().err

    assert "begins with no picture; give a model of the task 'animate'" in refused(still, run=tiny_run)
    assert "nowhere.png: " in refused("nowhere.png")
    assert "--frames 1: motion needs 2 frames or more" in refused(still, "--frames", "1")
    assert "--span 0.0: must be a number above 0" in refused(still, "--span", "0")
    assert "the picture is required; see: digan animate --help" in refused()


def test_a_dry_run_names_the_files(still, animating_run, tmp_path, capsys):
    flags = ["--run", animating_run, "--out", str(tmp_path / "a.npz"), "--ids", "3,4", "--dry-run"]
    assert cli.main(["animate", still, *flags]) == 0 and not list(tmp_path.iterdir())
    told = capsys.readouterr().out
    assert "16 frames of 32x32 pixels" in told and "a_0003.npz" in told and "a_0004.npz" in told


@pytest.mark.slow
def test_a_picture_becomes_clips(still, animating_run, tmp_path):
    """An untrained model draws the picture itself, at every time: its generator starts from nothing (condition_skip)."""
    flags = ["--run", animating_run, "--out", str(tmp_path / "a.npz"), "--ids", "3,4", "--frames", "3"]
    assert cli.main(["animate", still, *flags]) == 0
    clips = [np.load(tmp_path / f"a_000{i}.npz")["frames"] for i in (3, 4)]
    assert clips[0].shape == (3, 32, 32, 3)
    wanted = np.asarray(Image.open(still))[:, 10:50].astype(float)
    coarse = wanted.reshape(8, 5, 8, 5, 3).mean((1, 3)) / 127.5 - 1
    np.testing.assert_allclose(clips[0][0].reshape(8, 4, 8, 4, 3).mean((1, 3)), coarse, atol=0.12)  # resized 40 to 32
    assert cli.main(["animate", "--again", str(tmp_path / "a_0003.npz"), "--out", str(tmp_path / "b.npz")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "b.npz")["frames"], clips[0])
