import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from digan_jax.host.showing import UnusableVideo
from digan_jax.host.video_reading import open_footage

GREY = np.linspace(0, 255, 64).round().reshape(8, 8).astype(np.uint8)
COLOURS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


def read(folder):
    """Frames and remarks."""
    footage = open_footage(str(folder), None)
    return np.stack(list(footage.frames)), footage.remarks


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_pictures_are_upright(tmp_path, orientation, suffix):
    """Stored as a camera that was held so stores them."""
    corner = np.zeros((16, 32, 3), np.uint8)
    corner[:8, :8] = 255
    stored = Image.fromarray(corner)
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's transpositions that exif_transpose takes back
    if orientation in back:
        stored = stored.transpose(Image.Transpose(back[orientation]))
    exif = Image.Exif()
    exif[274] = orientation
    stored.save(tmp_path / f"1.{suffix}", exif=exif, **({"quality": 95} if suffix == "jpg" else {}))
    frames, _ = read(tmp_path)
    assert frames.shape == (1, 16, 32, 3)
    assert np.abs(frames[0].astype(int) - corner).mean() < 2  # JPEG


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_does_not_lose_the_picture(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "1.png", exif=b"Exif\0\0MM\0\x2a\0\0\xff\xff rubbish")
    np.testing.assert_array_equal(read(tmp_path)[0][0], COLOURS)


# ---- 16 bits ----


def png16(path, pixels, significant=None):
    """A PNG of 16 bits by hand: grey [h w] or colours [h w 3]."""
    h, w = pixels.shape[:2]

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", w, h, 16, 0 if pixels.ndim == 2 else 2, 0, 0, 0)
    note = b"" if significant is None else chunk(b"sBIT", bytes([significant] * (1 if pixels.ndim == 2 else 3)))
    parts = chunk(b"IHDR", header) + note + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


@pytest.mark.parametrize(
    ("factor", "significant", "bits"),
    [
        (257, None, 16),
        (16, None, 12),
        (4, None, 10),
        (64, None, 14),
        (1, None, 8),
        (16, 12, 12),
        (257, 12, 16),
        (16, 14, 14),
    ],
)
@pytest.mark.parametrize("colours", [False, True])
def test_grey_and_colours_of_16_bits_are_scaled_by_their_depth(tmp_path, factor, significant, bits, colours):
    levels = COLOURS if colours else GREY
    peak = int((levels.astype(int) * factor).max())
    png16(tmp_path / "1.png", (levels.astype(int) * factor) // 8, significant)  # a dark frame is no other depth
    png16(tmp_path / "2.png", levels.astype(int) * factor, significant)
    frames, remarks = read(tmp_path)
    expected = np.rint(levels.astype(float) * factor * 255 / (2**bits - 1))
    np.testing.assert_array_equal(frames[1], expected if colours else expected[..., None].repeat(3, -1))
    assert frames[0].max() <= 255 // 8 + 1
    assert remarks == ([] if bits == 16 else [f"pictures of 16 bits with values up to {peak}: taken as {bits} bits"])


# ---- transparency ----


def _hidden(mode):
    """A picture of 200s whose left half is transparent, over noise."""

    def make(path):
        rgba = np.full((8, 8, 4), 200, np.uint8)
        rgba[..., 3] = 255
        rgba[:, :4] = np.random.default_rng(0).integers(0, 256, (8, 4, 4))
        rgba[:, :4, 3] = 0
        if mode == "P":
            image = Image.fromarray(np.repeat(np.array([[7] * 4 + [9] * 4], np.uint8), 8, 0), "P")
            image.putpalette([90] * 24 + [10] + [200] * 200)
            image.save(path, transparency=7)
        elif mode == "RGB":
            rgba[:, :4, :3] = 17
            Image.fromarray(np.ascontiguousarray(rgba[..., :3])).save(path, transparency=(17, 17, 17))
        else:
            Image.fromarray(rgba).convert(mode).save(path)

    return make


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB"])
def test_hidden_colours_stay_hidden(tmp_path, mode):
    _hidden(mode)(tmp_path / "1.png")
    frames, remarks = read(tmp_path)
    assert (frames[0, :, :4] == 0).all() and (frames[0, :, 4:] == 200).all()
    assert remarks == ["transparent: shown on black"]


def test_what_is_half_transparent_is_half_as_bright(tmp_path):
    Image.new("RGBA", (4, 4), (200, 100, 50, 128)).save(tmp_path / "1.png")
    np.testing.assert_array_equal(read(tmp_path)[0][0, 0, 0], [100, 50, 25])


def test_an_opaque_alpha_is_not_worth_a_remark(tmp_path):
    Image.fromarray(COLOURS).convert("RGBA").save(tmp_path / "1.png")
    frames, remarks = read(tmp_path)
    np.testing.assert_array_equal(frames[0], COLOURS)
    assert remarks == []


# ---- what is no picture ----


def _bomb(side):
    def make(path):
        png16(path, np.zeros((1, 1), np.uint16))
        data = bytearray(path.read_bytes())
        data[16:24], data[24] = struct.pack(">II", side, side), 8
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
        path.write_bytes(data)

    return make


def _cut_short(path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:3000])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_bomb(13400), r"2\.png: has more than 64 Mi pixels"),
        (_bomb(9000), r"2\.png: a picture is 9000x9000 and has more than 64 Mi pixels"),
        (_bomb(2**31 - 1), r"2\.png"),
        (_cut_short, r"2\.png is not a readable image"),
        (lambda path: path.write_bytes(b""), r"2\.png is not a readable image"),
        (
            lambda path: path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
            r"2\.png is not a readable",
        ),
        (os.mkfifo, r"2\.png: is a pipe, a socket or a device"),
        (lambda path: path.symlink_to("nowhere"), r"2\.png is not a readable image: No such file"),
        (lambda path: path.symlink_to("/dev/zero"), r"2\.png: is a pipe, a socket or a device"),
        (lambda path: path.symlink_to(path.name), r"2\.png is not a readable image: Too many levels"),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_cannot_be_shown_is_named(tmp_path, make, reason):
    Image.new("RGB", (8, 8)).save(tmp_path / "1.png")
    make(tmp_path / "2.png")
    with pytest.raises(UnusableVideo, match=reason):
        read(tmp_path)


@pytest.mark.parametrize(
    "error", [MemoryError(), AttributeError("no"), UnicodeDecodeError("utf8", b"x", 0, 1, "bad"), RuntimeError]
)
def test_whatever_a_decoder_raises_is_about_the_picture(tmp_path, monkeypatch, error):
    def broken(*_, **__):
        raise error

    Image.new("RGB", (8, 8)).save(tmp_path / "1.png")
    monkeypatch.setattr(Image, "open", broken)
    with pytest.raises(UnusableVideo, match="1.png is not a readable image"):
        read(tmp_path)


def test_a_folder_named_as_a_picture_is_none(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "1.png")
    (tmp_path / "2.png").mkdir()
    assert len(read(tmp_path)[0]) == 1


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "BMP", "JPEG", "PNG", "MPO"])
def test_the_suffix_does_not_matter(tmp_path, kind):
    """Downloads bear whatever name they were given."""
    Image.new("RGB", (16, 16), (200, 100, 50)).save(tmp_path / "1.png", kind)
    assert np.abs(read(tmp_path)[0].astype(int) - (200, 100, 50)).max() < 8
