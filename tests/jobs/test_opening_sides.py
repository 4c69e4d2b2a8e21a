"""What stands behind the names that a person gives to an evaluation."""

import numpy as np
import pytest

from digan_jax.errors import InputError
from digan_jax.jobs import opening_sides


def test_links_to_folders_above_are_no_endless_search(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("up", "again"):
        (tmp_path / "a" / "b" / name).symlink_to(tmp_path)
    with pytest.raises(InputError, match="is no run|no such|is no"):
        opening_sides.open_fake(str(tmp_path))


def test_a_run_is_no_folder_of_videos(tiny_run):
    with pytest.raises(InputError, match="is a model, not a folder of videos; give it as --run"):
        opening_sides.open_fake(str(tiny_run), "folder")


@pytest.mark.parametrize("spoil", [lambda data: b"no array", lambda data: data[:40], lambda data: b""])
def test_a_damaged_array_beside_good_ones_is_skipped(tmp_path, spoil):
    clips = np.random.default_rng(0).integers(0, 256, (2, 16, 24, 24, 3), np.uint8)
    np.save(tmp_path / "good.npy", clips)
    (tmp_path / "bad.npy").write_bytes(spoil((tmp_path / "good.npy").read_bytes()))
    side = opening_sides.open_fake(str(tmp_path))
    assert side.total == 2 and [name for name, _ in side.source.skipped] == ["bad.npy"]


def test_arrays_beyond_the_limit_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 16, 24, 24, 3), np.uint8))
    with pytest.raises(InputError, match="more than the .* allowed"):
        opening_sides.open_fake(str(tmp_path), max_array_bytes=6000)


def test_the_bouncing_shapes_have_two_splits():
    with pytest.raises(InputError, match="data.split='val': the bouncing shapes have"):
        opening_sides.open_real("bouncing", None, "", "val", 32)
