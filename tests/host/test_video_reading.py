import itertools
import os
import socket
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from digan_jax.host.bilinear import bilinear
from digan_jax.host.names import natural_order
from digan_jax.host.showing import UnusableVideo, View, shown
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


def test_natural_order_knows_digits_of_every_script():
    names = ["v1²3", "②", "①", "v٣", "v2", "v10", "v01", "v1"]
    assert sorted(names, key=natural_order) == ["v01", "v1", "v1²3", "v2", "v٣", "v10", "①", "②"]


# ---- any error, any name ----


def _remuxed(source, target, change=lambda packet: None, **metadata):
    """The same packets in another file."""
    with av.open(str(source)) as container, av.open(str(target), "w") as copy:
        stream = container.streams.video[0]
        same = copy.add_stream_from_template(stream)
        copy.metadata.update(metadata)
        for packet in container.demux(stream):
            if packet.dts is not None:
                packet = change(packet) or packet
                packet.stream = same
                copy.mux(packet)
    return target


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi"])
def test_metadata_that_are_no_utf8_do_not_matter(tmp_path, scene, write_clip, suffix):
    path = write_clip(tmp_path / "a.mp4", scene(5, 32, 32), "mpeg4", "yuv420p")
    marked = _remuxed(path, tmp_path / f"b{suffix}", title="cafXXX")
    marked.write_bytes(marked.read_bytes().replace(b"cafXXX", b"caf\xe9\x83e"))
    assert b"caf\xe9\x83e" in marked.read_bytes()
    assert len(list(open_footage(str(marked), 8).frames)) == 5


@pytest.mark.parametrize("suffix, tag", [(".mp4", b"avc1"), (".mov", b"avc1"), (".avi", b"H264")])
def test_a_codec_that_nobody_knows_is_named(tmp_path, scene, write_clip, suffix, tag):
    path = write_clip(tmp_path / f"a{suffix}", scene(5, 32, 32), "libx264", "yuv420p")
    assert tag in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(tag, b"Z" + tag[1:-1] + b"Q"))
    with pytest.raises(UnusableVideo, match="no decoder"):
        list(open_footage(str(path), 8).frames)


@pytest.mark.parametrize("error", [MemoryError(), AttributeError("no"), UnicodeDecodeError("utf8", b"x", 0, 1, "bad")])
def test_whatever_a_library_raises_is_about_the_file(tmp_path, scene, write_clip, monkeypatch, error):
    from digan_jax.host import video_reading

    def broken(*_, **__):
        raise error

    path = str(write_clip(tmp_path / "a.mkv", scene(3)))
    with monkeypatch.context() as patched, pytest.raises(UnusableVideo, match="breaks at frame 0"):
        patched.setattr(video_reading, "shown", broken)
        list(open_footage(path, 8).frames)
    monkeypatch.setattr(av, "open", broken)
    with pytest.raises(UnusableVideo, match="cannot be opened"):
        open_footage(path, 8)


@pytest.mark.parametrize(
    "name",
    ["clips:v1/a.gif", "concat:a.gif", "-.gif", "a%d.gif", "a%03d.gif", "file:a.gif", "pipe:.gif", "[0-9]*?.gif"],
)
def test_no_name_is_a_protocol_or_a_pattern(tmp_path, scene, write_clip, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    clip = write_clip(tmp_path / "plain.gif", scene(6, 32, 32), "gif", "rgb8")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    clip.rename(tmp_path / name)
    assert len(list(open_footage(name, 8).frames)) == 6


def test_pipes_are_never_opened(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "c.mp4"))
        for name in "abc":
            with pytest.raises(UnusableVideo, match="a pipe, a socket or a device"):
                open_footage(str(tmp_path / f"{name}.mp4"), 8)


# ---- as players show it ----


@pytest.mark.parametrize(
    "matrix", [(0, 1, -1, 0), (0, -1, 1, 0), (-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)]
)
@pytest.mark.parametrize("size", [None, 24])
def test_mirrored_and_turned_files(tmp_path, scene, matrix, size):
    frames = scene(3, 24, 32)
    a, b, c, d = matrix
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264rgb", rate=10, options={"crf": "0"})
        stream.height, stream.width, stream.pix_fmt = 24, 32, "rgb24"
        stream.set_display_matrix([65536 * v for v in (a, b, 0, c, d, 0, 0, 0)] + [1 << 30])
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    seen = next(open_footage(str(tmp_path / "a.mp4"), size).frames)
    np.testing.assert_array_equal(seen, shown(frames[0], size, View.of_matrix([a, b, 0, c, d])))


def _written(path, frames, codec, pixels, options=()):
    """Frames [h w 3] or [h w 4]."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options=dict(options))
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixels
        for frame in frames:
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(frame, format="rgba" if frame.shape[-1] == 4 else "rgb24"))
            )
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    "name, codec, pixels",
    [
        ("a.mov", "qtrle", "argb"),
        ("a.mov", "png", "rgba"),
        ("a.mov", "prores_ks", "yuva444p10le"),
        ("a.mkv", "ffv1", "yuva444p"),
        ("a.webm", "libvpx", "yuva420p"),
        ("a.webm", "libvpx-vp9", "yuva420p"),
    ],
)
def test_hidden_colours_of_videos_stay_hidden(tmp_path, scene, name, codec, pixels):
    frames = scene(4, 64, 64)
    alpha = np.full((4, 64, 64, 1), 255, np.uint8)
    alpha[:, :, :32] = 0
    _written(
        tmp_path / name,
        np.concatenate([frames, alpha], -1),
        codec,
        pixels,
        {"auto-alt-ref": "0"} if "webm" in name else {},
    )
    footage = open_footage(str(tmp_path / name), None)
    seen = np.stack(list(footage.frames)).astype(int)
    assert (
        seen[:, :, :28].mean() < 2 and np.abs(seen[:, :, 36:] - frames[:, :, 36:]).mean() < 8
    )  # levels lost to codecs
    assert footage.remarks == ["transparent: shown on black"]


@pytest.mark.parametrize(
    "name, codec, options",
    [
        ("a.mp4", "libx264", {"x264-params": "interlaced=1:tff=1"}),
        ("a.mkv", "libx264", {"x264-params": "interlaced=1:bff=1"}),
        ("a.avi", "mpeg2video", {"flags": "+ildct+ilme"}),
    ],
)
def test_fields_of_two_times_become_frames_of_one(tmp_path, name, codec, options):
    """A bright bar that moves 8 pixels a field: woven, each second row shows it elsewhere."""
    fields = np.full((21, 64, 128, 3), 40, np.uint8)
    for t, field in enumerate(fields):
        field[:, 4 * t : 4 * t + 24] = 220
    woven = fields[:-1:2].copy()
    first = int("bff" in str(options))
    woven[:, 1 - first :: 2] = fields[1::2, 1 - first :: 2]
    path = _written(tmp_path / name, woven, codec, "yuv420p", options)
    footage = open_footage(str(path), None)
    seen = np.stack(list(footage.frames)).astype(int)
    assert len(seen) == len(woven) and footage.remarks == ["interlaced: deinterlaced (bwdif)"]
    comb = lambda x: np.abs(np.diff(x.astype(int), axis=1)).mean()
    assert comb(seen) < comb(woven) / 2


# ---- times and counts ----


def _timed(path, frames, codec, pixels, times, tick):
    """Frames at these times, in ticks."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=round(1 / tick))
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixels
        stream.time_base = stream.codec_context.time_base = tick
        for frame, time in zip(frames, times):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = time, tick
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    "name, codec, pixels", [("a.mkv", "ffv1", "bgr0"), ("a.mp4", "mpeg4", "yuv420p"), ("a.gif", "gif", "rgb8")]
)
@pytest.mark.parametrize("times", [[0, 1, 2, 3, 4, 9, 14, 19], [0, 8, 9, 10, 11, 12], [0, 1, 2, 3, 23, 24, 25, 26]])
def test_frames_of_uneven_times_are_held(tmp_path, name, codec, pixels, times):
    grey = 16 + 28 * np.arange(len(times))
    frames = np.broadcast_to(grey[:, None, None, None], (len(times), 32, 32, 3)).astype(np.uint8)
    _timed(tmp_path / name, frames, codec, pixels, times, Fraction(1, 10))
    fps, read, remarks = open_footage(str(tmp_path / name), None)
    seen = [int(np.abs(frame.mean() - grey).argmin()) for frame in read]
    held = [max(i for i, time in enumerate(times) if time / 10 <= k / fps + 0.011) for k in range(len(seen))]
    assert seen == held and len(set(np.diff(seen))) > 1
    assert abs(len(seen) / fps - (times[-1] + np.median(np.diff(times))) / 10) < 0.6 + 1 / fps
    assert len(remarks) == 1 and f"resampled to {fps:.4g} a second" in remarks[0]


@pytest.mark.parametrize(
    "name, fps",
    [("a.webm", 30), ("a.mkv", 30000 / 1001), ("a.gif", 30), ("a.gif", 40), ("a.webm", 144), ("a.mp4", 59.94)],
)
def test_times_that_were_rounded_are_even(tmp_path, scene, name, fps):
    from digan_jax.host.video_files import write_video

    target = tmp_path / name.replace(".mkv", ".mp4")
    write_video(target, scene(24, 32, 32), fps)
    path = _remuxed(target, tmp_path / name) if name.endswith("mkv") else target
    footage = open_footage(str(path), 8)
    assert len(list(footage.frames)) == 24 and footage.remarks == []
    assert abs(footage.fps / fps - 1) < 0.2  # FFmpeg guesses 33.3 for 30 of a GIF


@pytest.mark.parametrize("cut", [0.5, 1.0, 1.5])
def test_frames_that_an_edit_cuts_off_do_not_count(tmp_path, scene, write_clip, cut):
    path = write_clip(tmp_path / "a.mp4", scene(40, 48, 64), "libx264", "yuv420p")  # one group of pictures

    def earlier(packet):
        packet.pts, packet.dts = (time - int(cut / packet.time_base) for time in (packet.pts, packet.dts))

    _remuxed(path, tmp_path / "cut.mp4", earlier)
    with av.open(str(tmp_path / "cut.mp4")) as container:
        assert sum(packet.size > 0 for packet in container.demux(video=0)) == 40
    assert len(list(open_footage(str(tmp_path / "cut.mp4"), None).frames)) == 40 - round(10 * cut)


@pytest.mark.parametrize("hidden", [(3,), (5, 6), (2, 7, 11)])
def test_frames_that_are_only_referred_to_do_not_count(tmp_path, scene, hidden):
    """VP8 has frames that are never shown: the bit 4 of their first byte is 0 (RFC 6386, 9.1)."""
    path, numbers = _written(tmp_path / "a.webm", scene(16, 48, 64), "libvpx", "yuv420p"), itertools.count()

    def hide(packet):
        if next(numbers) not in hidden:
            return packet
        data = bytearray(bytes(packet))
        data[0] &= ~0x10
        concealed = av.Packet(bytes(data))
        concealed.pts, concealed.dts, concealed.time_base = packet.pts, packet.dts, packet.time_base
        return concealed

    _remuxed(path, tmp_path / "b.webm", hide)
    footage = open_footage(str(tmp_path / "b.webm"), None)
    with av.open(str(tmp_path / "b.webm")) as container:
        assert len(list(container.decode(video=0))) == 16 - len(hidden)
    assert len(list(footage.frames)) == 16 - len(hidden)
