"""Label maps as PNG files, drawings, and numbers of instances."""

import numpy as np
import pytest
from PIL import Image

from digan_jax.data import label_maps
from digan_jax.errors import InputError
from digan_jax.host.showing import shown

LABELS = np.arange(12, dtype=np.uint8).reshape(3, 4)


@pytest.mark.parametrize("mode", ["L", "P", "I;16"])
def test_numbers_are_read_as_they_are_stored(tmp_path, mode):
    kind = np.uint16 if mode == "I;16" else np.uint8
    picture = Image.fromarray(LABELS.astype(kind))
    if mode == "P":
        picture.putpalette(np.random.default_rng(0).integers(0, 256, 768).astype(np.uint8).tobytes())
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(label_maps.read(tmp_path / "a.png"), LABELS)


def test_files_that_are_no_label_maps(tmp_path):
    Image.fromarray(np.zeros((3, 4, 3), np.uint8)).save(tmp_path / "colour.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InputError, match="colour.png: is a picture in colours .RGB.; a label map has one number"):
        label_maps.read(tmp_path / "colour.png")
    for name, message in (("text.png", "is no PNG"), ("none.png", "there is no such file")):
        with pytest.raises(InputError, match=f"{name}: {message}"):
            label_maps.read(tmp_path / name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: holds no PNG, so there is no frame"):
        label_maps.files_in(tmp_path / "empty")
    with pytest.raises(InputError, match="a.png: is 4x3, b.png is 4x4; they must be of one size"):
        label_maps.check_size((3, 4), (4, 4), "a.png", "b.png")
    with pytest.raises(InputError, match="a.png: has the label 9, 10, 11; this model knows 0 to 8.*9=0"):
        label_maps.check_values(LABELS.astype(np.int32), 9, "a.png")


def test_the_rarer_side_of_a_drawing_is_its_line(tmp_path):
    line = np.eye(8, dtype=bool)
    for name, light, dark in (("ink", 255, 0), ("chalk", 20, 200)):
        Image.fromarray(np.where(line, dark, light).astype(np.uint8)).save(tmp_path / f"{name}.png")
        np.testing.assert_array_equal(label_maps.read_sketch(tmp_path / f"{name}.png"), line)
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[line] = (0, 0, 0, 255)  # black ink on nothing
    Image.fromarray(clear).save(tmp_path / "clear.png")
    np.testing.assert_array_equal(label_maps.read_sketch(tmp_path / "clear.png"), line)


def test_the_square_of_labels_is_that_of_frames():
    """Frames and labels of a wide picture are cut alike: the label of a pixel is still that of its colour."""
    labels = np.random.default_rng(0).integers(0, 5, (6, 10)).repeat(4, 0).repeat(4, 1)
    frame = np.stack([labels * 50] * 3, -1).astype(np.uint8)
    np.testing.assert_array_equal(label_maps.square(labels, 24) * 50, shown(frame, 24)[..., 0])
    np.testing.assert_array_equal(label_maps.resized(labels, 6, 10), labels[2::4, 2::4])


def test_instances_are_numbered_in_one_way_for_all_frames():
    first, second = np.array([[7, 7], [900, 3]]), np.array([[3, 11], [7, 7]])
    found, originals = label_maps.numbered(first)
    assert found.tolist() == [[1, 1], [2, 0]] and originals == [3, 7, 900]
    found, originals = label_maps.numbered(second, originals)
    assert found.tolist() == [[0, 3], [1, 1]] and originals == [3, 7, 900, 11]
