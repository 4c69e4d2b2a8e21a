"""Reads a folder of images as the frames of a video. All images must have one size."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator, Sequence

import av
import numpy as np
from etils import epath
from jaxtyping import UInt16
from PIL import Image

from digan_jax.host.names import natural_order, printable
from digan_jax.host.showing import TOO_LARGE, FrameOf, UnusableVideo, View, check_pixels, on_black, shown

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")  # recognised by content; none runs an external program
_ORIENTATION = 274  # Exif's tag
_DEPTHS = (8, 10, 12, 14, 16)
_PNG = b"\x89PNG\r\n\x1a\n"


def reason_of(error: BaseException) -> str:
    """The message of a library's exception in one printable line."""
    said = getattr(error, "strerror", None) or str(error)
    if not said or not isinstance(error, (OSError, ValueError, UnusableVideo)):  # the message alone may say little
        said = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return printable(" ".join(str(said).split()))


def check_regular(path: epath.Path) -> int:
    """The length of a regular file in bytes. Does not open it: opening a pipe may block for ever.

    Raises:
      UnusableVideo: a pipe, a socket or a device.
      OSError: the file cannot be examined.
    """
    if "://" in os.fspath(path):
        return path.stat().length
    info = os.stat(path)
    if not stat.S_ISREG(info.st_mode):
        raise UnusableVideo("is a pipe, a socket or a device, no file")
    return info.st_size


def frame_files(folder: epath.Path) -> list[epath.Path]:
    """The image files of a folder in natural order of their names; hidden ones are left out."""
    images = [p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")]
    return sorted((p for p in images if not p.is_dir()), key=lambda p: natural_order(p.name))


def frames_of(folder: epath.Path, size: int | None, remarks: list[str]) -> Iterator[FrameOf]:
    """Yields the images of a folder as frames. As `frames_of_files`."""
    return frames_of_files(frame_files(folder), size, remarks)


def frames_of_files(files: Sequence[epath.Path], size: int | None, remarks: list[str]) -> Iterator[FrameOf]:
    """Yields images as frames, uint8 [h w 3].

    Args:
      size: pixels a side of the square frames; None: the images' own size.
      remarks: gets a line for each conversion that was needed.

    Raises:
      UnusableVideo: while iterating: an unreadable image, or one of another size than the first.
    """
    shape, bits = None, 0
    for file in files:
        with named(file):
            picture, view = _pixels(file)
            if picture.dtype == np.uint16:
                bits = bits or _bits_of(files, remarks)
                peak = np.array([2**bits - 1] * 3 + [65535])[: picture.shape[-1]]
                picture = np.minimum(np.rint(picture * (255 / peak)), 255).astype(np.uint8)
            if picture.shape[-1] == 4:
                if picture[..., 3].min() < 255 and (remark := "transparent: shown on black") not in remarks:
                    remarks.append(remark)
                picture = on_black(picture)
        h, w = picture.shape[1::-1] if view.transposed else picture.shape[:2]
        shape = shape or (h, w)
        if (h, w) != shape:
            raise UnusableVideo(f"{printable(file.name)} is {w}x{h}, the frames before it {shape[1]}x{shape[0]}")
        yield shown(picture, size, view)


class named:
    """Within the block, every error becomes an `UnusableVideo` that names the image: decoders raise many types."""

    def __init__(self, file: epath.Path):
        self._name = printable(file.name)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, UnusableVideo):
            raise UnusableVideo(f"{self._name}: {error}") from error
        if isinstance(error, Image.DecompressionBombError):  # raised by Image.open, before the size is known
            raise UnusableVideo(f"{self._name}: {TOO_LARGE}") from error
        if isinstance(error, Exception):
            raise UnusableVideo(f"{self._name} is not a readable image: {reason_of(error)}") from error


def _pixels(file: epath.Path) -> tuple[np.ndarray, View]:
    """The stored pixels: [h w 3], or [h w 4] with alpha; uint8, or uint16 for a 16-bit PNG."""
    deep = _is_deep(file)
    with file.open("rb") as stream, Image.open(stream, formats=_FORMATS) as image:
        check_pixels(*image.size, "a picture")
        try:
            view = View.of_exif(image.getexif().get(_ORIENTATION, 1))
        except Exception:  # damaged Exif data: viewers show the picture as stored
            view = View()
        if deep:
            return _deep_pixels(file), view
        transparent = "A" in image.mode or "a" in image.mode or "transparency" in image.info
        return np.asarray(image.convert("RGBA" if transparent else "RGB")), view


# ---- 16-bit PNG ----


def _is_deep(file: epath.Path) -> bool:
    """Whether a file is a 16-bit PNG that Pillow would reduce to 8 bits: it clips grey and drops lower bytes."""
    check_regular(file)
    with file.open("rb") as stream:
        start = stream.read(29)
    grey_with_alpha = start[25:26] == b"\x04"  # Pillow keeps the upper bytes; PyAV cannot convert it
    return start[:8] == _PNG and start[12:16] == b"IHDR" and start[24:25] == b"\x10" and not grey_with_alpha


def _deep_pixels(file: epath.Path) -> UInt16[np.ndarray, "h w _"]:
    data = file.read_bytes()
    check_pixels(*struct.unpack(">II", data[16:24]), "a picture")
    decoder = av.CodecContext.create("png", "r")
    frames = decoder.decode(av.Packet(data)) or decoder.decode(None)
    pixels = frames[0].to_ndarray()
    return np.repeat(pixels[..., None], 3, -1) if pixels.ndim == 2 else pixels


def _significant_bits(file: epath.Path) -> int:
    """The significant bits that a PNG states in its sBIT chunk; 0 without one."""
    data = file.read_bytes()
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind == b"sBIT" and length:
            return data[at + 8]
        if kind in (b"PLTE", b"IDAT"):
            return 0
        at += length + 12
    return 0


def _bits_of(files: Sequence[epath.Path], remarks: list[str]) -> int:
    """The bit depth that the 16-bit pictures of a video really use, one for all: cameras store 12 bits in 16."""
    largest, stated = 0, 0
    for file in files:
        with named(file):
            if _is_deep(file):
                largest = max(largest, int(_deep_pixels(file)[..., :3].max()))
                stated = stated or _significant_bits(file)
    if stated:
        bits = stated if largest < 2**stated else 16  # larger values: scaled to all 16 bits, as PNG requires
    else:
        bits = next(depth for depth in _DEPTHS if largest < 2**depth) if largest else 16
    if bits < 16:
        remarks.append(f"pictures of 16 bits with values up to {largest}: taken as {bits} bits")
    return bits
