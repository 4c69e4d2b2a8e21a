import itertools
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from digan_jax.host.names import natural_order
from digan_jax.host.showing import UnusableVideo, View, bilinear, shown
from digan_jax.host.video_reading import open_footage


def bilinear_slowly(image, size):
    """The definition, a pixel at a time: half-pixel centres, edges repeated, two taps an axis."""
    h, w = image.shape[:2]

    def taps(i, n):
        position = min(max((i + 0.5) * n / size - 0.5, 0.0), n - 1.0)
        low = int(position)
        return low, min(low + 1, n - 1), position - low

    out = np.zeros((size, size, 3))
    for i, j in itertools.product(range(size), range(size)):
        top, bottom, down = taps(i, h)
        left, right, across = taps(j, w)
        upper = image[top, left] * (1 - across) + image[top, right] * across
        lower = image[bottom, left] * (1 - across) + image[bottom, right] * across
        out[i, j] = upper * (1 - down) + lower * down
    return out


@pytest.mark.parametrize("shape", [(40, 40), (17, 17), (8, 8), (5, 5), (31, 12), (1, 3)])
def test_bilinear_is_its_definition(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    # Rounding to whole levels: half a level, and a hair for float32 sums.
    np.testing.assert_allclose(bilinear(image, 8, 8), bilinear_slowly(image, 8), atol=0.5 + 1e-3)


def test_bilinear_does_not_antialias():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    blurred = np.asarray(Image.fromarray(stripes).resize((20, 20), Image.BILINEAR))
    assert np.ptp(bilinear(stripes, 20, 20)) > 2 * np.ptp(blurred)


def test_same_size_is_untouched():
    image = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    np.testing.assert_array_equal(shown(image, 24), image)


@pytest.mark.parametrize("shape, corner", [((24, 40), (0, 8)), ((40, 24), (8, 0)), ((24, 41), (0, 8))])
def test_square_takes_the_centre(shape, corner):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    top, left = corner
    np.testing.assert_array_equal(shown(image, 24), image[top : top + 24, left : left + 24])


def test_wide_pixels_are_seen_wide():
    """16 columns of pixels twice as wide as high show as much as 32: the centre square is 12 columns of 24 rows."""
    image = np.random.default_rng(0).integers(0, 256, (24, 16, 3), dtype=np.uint8)
    np.testing.assert_array_equal(shown(image, 24, View(aspect=2.0)), bilinear(image[:, 2:14], 24, 24))


def test_a_turn_commutes_with_the_resize():
    image = np.random.default_rng(0).integers(0, 256, (40, 24, 3), dtype=np.uint8)
    turned = shown(image, 16, View(transposed=True, flip_y=True))
    np.testing.assert_array_equal(turned, shown(np.rot90(image), 16))


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_rotated_files_are_turned_as_players_turn_them(tmp_path, scene, write_clip, rotation):
    """The display matrix of an .mp4 says by how much to turn, counter-clockwise, what is stored."""
    frames = scene(3, 32, 32)
    path = write_clip(tmp_path / "a.mp4", frames, "libx264rgb", "rgb24", rotation=rotation)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).rotation % 360 == rotation % 360
    seen = np.stack(list(open_footage(str(path), 32).frames))
    error = np.abs(seen.astype(int) - np.rot90(frames, rotation // 90, (1, 2))).mean()
    assert error < 3  # levels: what H.264 loses; a wrong turn of this scene is off by more than 30


def test_pixel_aspect_of_a_file_is_honoured(tmp_path, scene, write_clip):
    frames = scene(3, 24, 16)
    path = write_clip(tmp_path / "a.mp4", frames, "libx264rgb", "rgb24", aspect=Fraction(2))
    first = next(open_footage(str(path), 24).frames).astype(int)
    assert np.abs(first - shown(frames[0], 24, View(aspect=2.0))).mean() < 3  # levels: what H.264 loses
    assert np.abs(first - shown(frames[0], 24)).mean() > 10


def test_lossless_frames_come_back_unchanged(tmp_path, scene, write_clip):
    frames = scene(7, 24, 24)
    fps, read, _ = open_footage(str(write_clip(tmp_path / "a.mkv", frames)), 24)
    np.testing.assert_array_equal(np.stack(list(read)), frames)
    assert fps == 10


@pytest.mark.parametrize(
    "suffix, codec, pix_fmt",
    [
        (".mp4", "libx264", "yuv444p"),
        (".mov", "libx264", "yuv444p"),
        (".avi", "mpeg4", "yuv420p"),
        (".webm", "libvpx-vp9", "yuv444p"),
        (".gif", "gif", "rgb8"),
    ],
)
def test_every_container_is_read(tmp_path, scene, write_clip, suffix, codec, pix_fmt):
    frames = scene(6, 32, 32)
    read = np.stack(list(open_footage(str(write_clip(tmp_path / f"a{suffix}", frames, codec, pix_fmt)), 32).frames))
    assert read.shape == frames.shape
    # Levels, of 255: rgb8 has 8 reds, 8 greens and 4 blues, mpeg4 halves the colours; frames are 30 apart and more.
    assert np.abs(read.astype(int) - frames).mean() < 25


def test_colours_of_bt709_files_are_true(tmp_path):
    from digan_jax.host.video_files import write_video

    patches = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [128, 128, 128]], np.uint8)
    frame = patches.reshape(2, 2, 3).repeat(16, 0).repeat(16, 1)
    write_video(tmp_path / "a.mp4", np.stack([frame] * 3), 8)
    read = next(open_footage(str(tmp_path / "a.mp4"), 32).frames)
    centres = read[[8, 8, 24, 24], [8, 24, 8, 24]].astype(int)
    assert np.abs(centres - patches).max() <= 8  # levels lost to H.264; BT.601 read as BT.709 is off by 30


def test_frame_folders_are_in_natural_order(tmp_path):
    for number in (1, 2, 10, 9, 11):
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(tmp_path / f"frame{number}.png")
    fps, frames, _ = open_footage(str(tmp_path), 8)
    assert [int(f[0, 0, 0]) for f in frames] == [1, 2, 9, 10, 11]
    assert fps == 0


def _no_file(path):
    return path


def _empty(path):
    path.write_bytes(b"")


def _no_video(path):
    path.write_bytes(b"this is a letter, not a film" * 100)


def _sound_only(path):
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux([*stream.encode(frame), *stream.encode()])


@pytest.mark.parametrize(
    "make, reason",
    [
        (_no_file, "cannot be opened"),
        (_empty, "empty file"),
        (_no_video, "cannot be opened"),
        (_sound_only, "no video"),
    ],
)
def test_unusable_files_say_why(tmp_path, make, reason):
    make(tmp_path / "a.mp4")
    with pytest.raises(UnusableVideo, match=reason):
        open_footage(str(tmp_path / "a.mp4"), 8)


def test_damaged_data_are_noticed(tmp_path, scene, write_clip):
    path = write_clip(tmp_path / "a.mkv", scene(20, 64, 64))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = np.random.default_rng(0).bytes(400)
    path.write_bytes(data)
    with pytest.raises(UnusableVideo, match="breaks at frame"):
        list(open_footage(str(path), 8).frames)


def test_frames_of_two_sizes_are_no_video(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "1.png")
    Image.new("RGB", (9, 8)).save(tmp_path / "2.png")
    with pytest.raises(UnusableVideo, match="2.png is 9x8, the frames before it 8x8"):
        list(open_footage(str(tmp_path), 8).frames)


def test_an_image_that_is_none_is_named(tmp_path):
    (tmp_path / "1.png").write_bytes(b"no image")
    with pytest.raises(UnusableVideo, match="1.png is not a readable image"):
        list(open_footage(str(tmp_path), 8).frames)


def test_natural_order():
    names = ["b2", "b10", "a1", "b1"]
    assert sorted(names, key=natural_order) == ["a1", "b1", "b2", "b10"]
