import av
import numpy as np
import pytest
from PIL import Image

from digan_jax.errors import InputError
from digan_jax.rendering import contact_sheets


@pytest.fixture
def clips():
    """uint8 [5 3 4 6 3]; clip i, frame j is filled with 40 i + 10 j."""
    value = 40 * np.arange(5)[:, None] + 10 * np.arange(3)
    return np.broadcast_to(value[..., None, None, None], (5, 3, 4, 6, 3)).astype(np.uint8)


def test_clips_fill_the_grid_row_by_row(clips):
    sheet = contact_sheets.grid_of_clips(clips, columns=2, rows=3)
    assert sheet.shape == (3, 12, 12, 3)
    np.testing.assert_array_equal(sheet[1, ::4, ::6, 0], [[10, 50], [90, 130], [170, 0]])
    assert (sheet[1, 4:8, :6] == 90).all()


def test_a_grid_too_small_says_what_fits(clips):
    with pytest.raises(InputError, match="2x2.*5 clips.*2x3"):
        contact_sheets.grid_of_clips(clips, 2, 2)


def test_real_stands_above_generated(clips):
    picture = contact_sheets.real_above_generated(clips[:1], clips[3:5])
    assert picture.shape == (4 + 2 + 8, 18, 3)
    np.testing.assert_array_equal(picture[0, ::6, 0], [0, 10, 20])
    assert (picture[4:6] == 255).all()
    np.testing.assert_array_equal(picture[6, ::6, 0], [120, 130, 140])
    np.testing.assert_array_equal(picture[-1, ::6, 0], [160, 170, 180])


def test_held_out_clips_stand_beside_real_ones(clips):
    picture = contact_sheets.real_above_generated(clips[:1], clips[2:4], held_out=clips[1:2])
    assert picture.shape == (4 + 2 + 4, 18 + 2 + 18, 3)
    np.testing.assert_array_equal(picture[0, [0, 18, 20], 0], [0, 255, 40])
    np.testing.assert_array_equal(picture[6, [0, 18, 20], 0], [80, 255, 120])


def test_samples_are_a_video_and_a_strip(tmp_path, clips):
    contact_sheets.write_samples(tmp_path / "samples" / "kimg_1.5", clips, 8, contact_sheets.strips(clips[:2]))
    assert sorted(p.name for p in (tmp_path / "samples").iterdir()) == ["kimg_1.5.mp4", "kimg_1.5.png"]
    with Image.open(tmp_path / "samples" / "kimg_1.5.png") as image:
        assert image.size == (18, 8)
    with av.open(tmp_path / "samples" / "kimg_1.5.mp4") as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 3 and (frames[0].width, frames[0].height) == (18, 8)
