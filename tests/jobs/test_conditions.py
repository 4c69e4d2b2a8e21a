"""`digan condition make`: folders of maps."""

import json

import numpy as np
import pytest
from PIL import Image

from digan_jax import cli
from digan_jax.data import bouncing, edges, figures, label_maps, poses


def pictures(folder):
    return [np.asarray(Image.open(path)) for path in label_maps.files_in(folder)]


def test_edges_of_a_folder_of_frames(tmp_path):
    clip = bouncing.render(2, np.linspace(0, 1, 3), 48)
    (tmp_path / "clip").mkdir()
    for i, frame in enumerate(clip):
        Image.fromarray(frame).save(tmp_path / "clip" / f"{i}.png")
    assert cli.main(["condition", "make", "--edges", str(tmp_path / "clip"), "--out", str(tmp_path / "maps")]) == 0
    for picture, frame in zip(pictures(tmp_path / "maps"), clip, strict=True):
        np.testing.assert_array_equal(picture, edges.edges(frame) * 255)
    for path, frame in zip(label_maps.files_in(tmp_path / "maps"), clip):
        np.testing.assert_array_equal(label_maps.read_sketch(path), edges.edges(frame))


def test_poses_and_bouncing_shapes(tmp_path):
    person = {name: at.tolist() for name, at in figures.person(1, 0.0, 40).items()}
    row = [value for name in poses.POINTS[17] for value in (*person.get(name, (0, 0)), float(name in person))]
    (tmp_path / "p.json").write_text(json.dumps([{"image_id": 1, "keypoints": row}]))
    made = ["condition", "make", "--poses", str(tmp_path / "p.json"), "--out", str(tmp_path / "p")]
    assert cli.main([*made, "--canvas", "40x50"]) == 0
    (picture,) = pictures(tmp_path / "p")
    assert picture.shape == (50, 40) and set(np.unique(picture)) >= {0, 1, 2}
    flags = ["--bouncing", "4", "--frames", "2", "--size", "24", "--out", str(tmp_path / "b")]
    assert cli.main(["condition", "make", *flags]) == 0
    np.testing.assert_array_equal(pictures(tmp_path / "b" / "labels"), bouncing.labels(4, [0, 1], 24))
    np.testing.assert_array_equal(pictures(tmp_path / "b" / "frames"), bouncing.render(4, [0, 1], 24))


@pytest.mark.parametrize(
    "flags, message",
    [
        ([], "--edges, --poses and --bouncing: give one of them"),
        (["--edges", "nowhere.mp4"], "nowhere.mp4: "),
        (["--edges", "nowhere.mp4", "--sigma", "-1"], "--sigma -1.0: must lie between"),
        (["--bouncing", "3", "--size", "0"], "--size 0: must lie in"),
        (["--poses", "nowhere.json"], "nowhere.json: is missing"),
    ],
)
def test_requests_that_cannot_be(tmp_path, capsys, flags, message):
    assert cli.main(["condition", "make", "--out", str(tmp_path / "maps"), *flags]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "maps").exists()


def test_looks_belong_to_models_that_have_them(tiny_run, capsys):
    assert cli.main(["condition", "styles", "--run", str(tiny_run)]) == 2
    assert "this model has no styles (model.condition_style=0)" in capsys.readouterr().err
