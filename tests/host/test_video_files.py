"""Files are read back by other means than they were written, and hold the frames, their colours and their times."""

import errno
import json
import subprocess
import sys

import av
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from digan_jax.errors import InputError
from digan_jax.host import video_files
from digan_jax.host.video_files import to_uint8, write_video


@pytest.fixture
def clip():
    """uint8 [6 34 40 3]: a coloured slope under a bright square that moves 4 pixels to the right each frame."""
    y, x = np.mgrid[:34, :40]
    frames = np.stack([np.stack([x * 4, y * 5, 0 * x + 90], axis=-1)] * 6).astype(np.uint8)
    for i, frame in enumerate(frames):
        frame[8:16, 4 * i : 4 * i + 8] = (240, 60, 30)
    return frames


def decode(path):
    with av.open(path) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
        stream = container.streams.video[0]
        return frames, stream.average_rate, stream.codec_context.pix_fmt, container.metadata


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_video_decodes_to_the_frames_written(tmp_path, clip, suffix):
    path = tmp_path / f"clip.{suffix}"
    write_video(path, clip, fps=12.5, metadata={"ids": [3]})
    frames, rate, layout, metadata = decode(path)
    assert frames.shape == clip.shape
    # Lossy, with colours at half the resolution: a few grey levels on average, the moving square's edge aside.
    assert np.abs(frames.astype(float) - clip).mean() < 4
    assert (rate, layout) == (12.5, "yuv420p")
    assert {key.lower(): value for key, value in metadata.items()}["comment"] == json.dumps({"ids": [3]})


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128), (30, 200, 90)])
def test_luma_is_bt709_in_video_range(tmp_path, suffix, colour):
    path = tmp_path / f"flat.{suffix}"
    write_video(path, np.full((2, 32, 32, 3), colour, np.uint8))
    with av.open(path) as container:
        frame = next(container.decode(video=0))
        context = container.streams.video[0].codec_context
        luma = frame.to_ndarray()[:32].mean()
    expected = 16 + 219 / 255 * np.dot(colour, [0.2126, 0.7152, 0.0722])  # ITU-R BT.709; BT.601 is off by 10 or more
    assert abs(luma - expected) < 1.5  # one rounding of the conversion, one of the encoder
    assert (int(context.colorspace), int(context.color_range)) == (1, 1)  # BT.709, limited


def test_ten_bits_keep_what_eight_cannot(tmp_path):
    """A slope over 6 of 255 grey levels: 8 bits give 6 steps, 10 bits about four times as many."""
    slope = np.broadcast_to(np.linspace(-0.02, 0.027, 64, dtype=np.float32)[None, None, :, None], (2, 32, 64, 3))
    steps = {}
    for quality in ("standard", "10-bit"):
        write_video(tmp_path / f"{quality}.mp4", slope, quality=quality)
        with av.open(tmp_path / f"{quality}.mp4") as container:
            frame = next(container.decode(video=0))
            steps[quality] = len(np.unique(frame.to_ndarray()[:32] if quality == "standard" else _luma16(frame)))
    assert steps["standard"] <= 8 and steps["10-bit"] >= 15


def _luma16(frame):
    plane = frame.planes[0]
    return np.frombuffer(plane, np.uint16).reshape(plane.height, -1)[:, : plane.width]


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 0, 255), (30, 200, 90)])
def test_ten_bits_are_bt709_too(tmp_path, colour):
    write_video(tmp_path / "flat.mp4", np.full((2, 31, 33, 3), colour, np.uint8), quality="10-bit")
    with av.open(tmp_path / "flat.mp4") as container:
        frame = next(container.decode(video=0))
        assert frame.format.name == "yuv420p10le" and (frame.width, frame.height) == (34, 32)
        luma = _luma16(frame).mean()
    assert abs(luma - 4 * (16 + 219 / 255 * np.dot(colour, [0.2126, 0.7152, 0.0722]))) < 3  # of 1023: rounding, encoder


def test_ten_bits_keep_each_row_to_itself(tmp_path):
    """Rows that are no whole number of vectors: converted by several threads, one of some hundred frames lost pixels."""
    write_video(tmp_path / "flat.mp4", np.full((2000, 32, 34, 3), (0, 0, 255), np.uint8), quality="10-bit")
    with av.open(tmp_path / "flat.mp4") as container:
        for frame in container.decode(video=0):
            assert np.ptp(_luma16(frame)) <= 2  # the encoder's rounding


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_lossless_keeps_each_pixel_of_odd_sizes(tmp_path, clip, suffix):
    write_video(tmp_path / f"clip.{suffix}", clip[:, :33, :39], quality="lossless")
    frames, *_ = decode(tmp_path / f"clip.{suffix}")
    np.testing.assert_array_equal(frames, clip[:, :33, :39])


def test_an_encoder_that_is_not_there_is_named_before_anything_is_written(tmp_path, clip, monkeypatch):
    missing = video_files.Encoding("libtomorrow", "yuv420p", {})
    monkeypatch.setitem(video_files.ENCODINGS, (".mp4", "standard"), missing)
    (tmp_path / "clip.mp4").write_bytes(b"old")
    with pytest.raises(InputError, match="no encoder libtomorrow.*pip install"):
        write_video(tmp_path / "clip.mp4", clip)
    assert (tmp_path / "clip.mp4").read_bytes() == b"old"


@pytest.mark.parametrize("suffix", ["mp4", "webm", "gif", "png", "npz"])
def test_metadata_come_back(tmp_path, clip, suffix):
    note = {"ids": list(range(300)), "command": "digan render --ids 0-299"}
    write_video(tmp_path / f"clip.{suffix}", clip, metadata=note)
    assert video_files.read_metadata(tmp_path / f"clip.{suffix}") == note
    if suffix == "gif":
        with Image.open(tmp_path / "clip.gif") as image:
            assert image.n_frames == 6


def test_mp4_starts_playing_before_it_is_loaded(tmp_path, clip):
    write_video(tmp_path / "clip.mp4", clip)
    data = (tmp_path / "clip.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_odd_sizes_repeat_the_edge(tmp_path, clip, suffix):
    write_video(tmp_path / f"odd.{suffix}", clip[:, :33, :39])
    frames, *_ = decode(tmp_path / f"odd.{suffix}")
    assert frames.shape == (6, 34, 40, 3)
    assert np.abs(frames[:, :, 39].astype(float) - frames[:, :, 38]).mean() < 6  # coding noise; nothing black


def test_gif_loops_at_its_rate_in_colours_of_its_own(tmp_path, clip):
    write_video(tmp_path / "clip.gif", clip, fps=10)
    with Image.open(tmp_path / "clip.gif") as image:
        assert (image.n_frames, image.info["loop"], image.info["duration"]) == (6, 0, 100)
        image.seek(5)
        last = np.asarray(image.convert("RGB")).astype(float)
    # A 3 x 3 mean takes the dither away; the web palette's steps of 51 would leave errors above 10.
    error = sum(np.roll(last - clip[5], (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)) / 9
    assert np.abs(error[2:-2, 2:-2]).mean() < 5


def test_png_is_a_strip_from_left_to_right(tmp_path, clip):
    write_video(tmp_path / "clip.png", clip, metadata={"run": "sky"})
    with Image.open(tmp_path / "clip.png") as image:
        np.testing.assert_array_equal(np.asarray(image), np.concatenate(clip, axis=1))
        assert json.loads(image.text["comment"]) == {"run": "sky"}


def test_npz_keeps_the_numbers(tmp_path):
    frames = np.linspace(-1.5, 1.5, 2 * 4 * 4 * 3, dtype=np.float32).reshape(2, 4, 4, 3)
    write_video(tmp_path / "clip.npz", frames, fps=30)
    with np.load(tmp_path / "clip.npz") as file:
        np.testing.assert_array_equal(file["frames"], frames)
        assert file["fps"] == 30


def test_floats_are_clamped_and_rounded():
    floats = jnp.array([-2.0, -1.0, -0.999, 0.0, 0.0042, 1.0, 7.0])
    np.testing.assert_array_equal(to_uint8(floats), [0, 0, 0, 128, 128, 255, 255])
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_uint8(every / 127.5 - 1), every)


def test_frames_may_be_made_while_they_are_written(tmp_path, clip):
    write_video(tmp_path / "whole.mp4", clip)
    write_video(tmp_path / "stream.mp4", (frame for frame in clip))
    assert (tmp_path / "whole.mp4").read_bytes() == (tmp_path / "stream.mp4").read_bytes()


@pytest.mark.parametrize("suffix", ["mp4", "webm", "gif", "png", "npz"])
def test_one_frame_is_a_clip(tmp_path, clip, suffix):
    write_video(tmp_path / "new" / f"one.{suffix}", clip[:1])
    assert (tmp_path / "new" / f"one.{suffix}").stat().st_size > 0


def test_an_unknown_suffix_lists_the_choices(tmp_path, clip):
    with pytest.raises(InputError, match=r"'\.mov'.*\.mp4.*\.webm.*\.gif.*\.png.*\.npz"):
        write_video(tmp_path / "clip.mov", clip)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("frames", "fps", "reason"),
    [
        (np.zeros((0, 8, 8, 3), np.uint8), 8, "no frames"),
        (np.zeros((2, 8, 8), np.uint8), 8, r"\(8, 8\)"),
        (np.full((2, 8, 8, 3), np.nan), 8, "NaN"),
        (np.zeros((2, 8, 8, 3), np.uint8), 0, "fps=0"),
        ([np.zeros((8, 8, 3), np.uint8), np.zeros((9, 8, 3), np.uint8)], 8, r"\(9, 8, 3\)"),
    ],
)
def test_bad_frames_leave_the_old_file(tmp_path, frames, fps, reason):
    (tmp_path / "clip.mp4").write_bytes(b"old")
    with pytest.raises(InputError, match=reason):
        write_video(tmp_path / "clip.mp4", frames, fps)
    assert (tmp_path / "clip.mp4").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_failure_while_writing_leaves_nothing(tmp_path, clip, monkeypatch):
    def full(path, *_):
        with open(path, "wb") as file:
            file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(video_files._WRITERS, ".mp4", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*clip\.mp4'"):
        write_video(tmp_path / "clip.mp4", clip)
    assert not list(tmp_path.iterdir())


# ---- rates ----


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
@pytest.mark.parametrize("fps", [0.001, 0.3, 1000 / 1001, 23.976, 29.97, 30000 / 1001, 59.94, 240, 1000])
def test_rates_are_those_asked_for(tmp_path, clip, suffix, fps):
    write_video(tmp_path / f"clip.{suffix}", clip, fps)
    with av.open(tmp_path / f"clip.{suffix}") as container:
        stream = container.streams.video[0]
        times = np.array([float(frame.pts * frame.time_base) for frame in container.decode(stream)])
        rate = float(stream.average_rate)
    tick = 1e-3 if suffix == "webm" else 0
    assert abs(rate / fps - 1) < 1e-4 and len(times) == len(clip)
    np.testing.assert_allclose(times, np.arange(len(clip)) / fps, rtol=1e-5, atol=tick)
    assert (np.diff(times) > 0).all()


@pytest.mark.parametrize("fps", [1 / 655, 0.01, 0.3, 1000 / 1001, 7, 12.5, 23.976, 29.97, 33, 40, 49, 50])
def test_gif_shows_its_rate_in_hundredths(tmp_path, clip, fps):
    write_video(tmp_path / "clip.gif", clip, fps)
    with Image.open(tmp_path / "clip.gif") as image:
        delays = []
        for number in range(image.n_frames):
            image.seek(number)
            delays.append(image.info["duration"] / 10)
    assert len(delays) == len(clip) and min(delays) >= 2  # below, players wait ten
    np.testing.assert_allclose(np.cumsum(delays), 100 / fps * np.arange(1, len(clip) + 1), rtol=1e-3, atol=1)


@pytest.mark.parametrize(
    ("name", "fps"),
    [
        ("a.gif", 50.5),
        ("a.gif", 60),
        ("a.gif", 100),
        ("a.gif", 1e6),
        ("a.gif", 0.001),
        ("a.webm", 1001),
        ("a.webm", 1e6),
    ]
    + [
        ("a.webm", 1e-5),
        ("a.mp4", 1e-4),
        ("a.mp4", 1e7),
        ("a.mp4", float("inf")),
        ("a.png", float("nan")),
        ("a.npz", -1.0),
    ],
)
def test_rates_that_no_player_shows_are_refused_before_a_frame_is_drawn(tmp_path, name, fps):
    def drawn():
        raise AssertionError("drawn")
        yield

    with pytest.raises(InputError, match=r"fps=.*(choose such a rate|above 0)"):
        write_video(tmp_path / name, drawn(), float(fps))
    assert not list(tmp_path.iterdir())


# ---- names, length ----


@pytest.mark.parametrize("name", ["take:1", "concat:a", "-", "a%d", "a%03d", "file:a", "[1]*?"])
@pytest.mark.parametrize("suffix", ["mp4", "webm", "gif", "png", "npz"])
def test_any_name_is_written(tmp_path, clip, monkeypatch, name, suffix):
    monkeypatch.chdir(tmp_path)
    write_video(f"{name}.{suffix}", clip, metadata={"ids": [3]})
    assert [p.name for p in tmp_path.iterdir()] == [f"{name}.{suffix}"]
    assert video_files.read_metadata(f"{name}.{suffix}") == {"ids": [3]}


def test_the_memory_of_a_gif_does_not_grow_with_its_length(tmp_path):
    program = """
import resource, sys
import numpy as np
from digan_jax.host.video_files import write_video
def frames(n):
    for i in range(n):
        frame = np.zeros((256, 256, 3), np.uint8)
        frame[:, i % 200 : i % 200 + 20] = (200, i % 256, 90)
        yield frame
peaks = []
for n in (40, 440):
    write_video(sys.argv[1], frames(n), 25)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(peaks[1] - peaks[0])
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "a.gif"], capture_output=True, text=True, check=True
    )
    grown = int(ran.stdout.split()[-1]) / 1024
    assert grown < 20  # MiB; 400 frames are 75
    assert [p.name for p in tmp_path.iterdir()] == ["a.gif"]


@pytest.mark.parametrize("length", [1, 2, 7, 30])
def test_every_frame_of_a_gif_is_there(tmp_path, clip, length):
    frames = np.concatenate([clip] * 5)[:length]
    write_video(tmp_path / "clip.gif", (frame for frame in frames), 10)
    decoded = decode(tmp_path / "clip.gif")[0]
    assert len(decoded) == length
    assert np.abs(decoded.astype(float) - frames).mean() < 12  # dither


def test_a_gif_that_fails_halfway_leaves_nothing(tmp_path, clip):
    def broken():
        yield clip[0]
        yield clip[0, :4]

    with pytest.raises(InputError, match="all of one size"):
        write_video(tmp_path / "clip.gif", broken())
    assert not list(tmp_path.iterdir())
