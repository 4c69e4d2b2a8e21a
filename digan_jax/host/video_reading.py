"""Frames out of video files (PyAV) and folders of images, cropped and resized as the paper's data were (section 4)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from etils import epath
from jaxtyping import UInt8
from PIL import Image

from digan_jax.host.bilinear import bilinear

VIDEO_SUFFIXES = (".mp4", ".avi", ".webm", ".mkv", ".mov", ".gif")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
FrameOf = UInt8[np.ndarray, "h w 3"]


class UnusableVideo(Exception):
    """A file that gives no clip; the message is the reason, for the report."""


def natural_order(name: str) -> list:
    """Sort key under which frame2 comes before frame10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def square_frames(path: str, size: int | None, threads: int = 1) -> tuple[float, Iterator[FrameOf]]:
    """Frames per second (0 where unknown) and the frames of a video file or of a folder of images.

    Args:
      path: a video file, or a folder whose images are the frames, in natural order of their names.
      size: pixels a side of the square frames that come out; None: as they are, turned the way they are seen.
      threads: for decoding.

    Raises:
      UnusableVideo: at once or while iterating; nothing that came before is to be trusted then.
    """
    place = epath.Path(path)
    try:
        if place.is_dir():
            return 0.0, _images(place, size)
        if place.stat().length == 0:
            raise UnusableVideo("empty file")
        container = av.open(place.open("rb") if "://" in path else path)
    except (av.FFmpegError, OSError) as error:
        raise UnusableVideo(f"cannot be opened: {_reason(error)}") from error
    if not container.streams.video:
        container.close()
        raise UnusableVideo("holds no video stream")
    rate = container.streams.video[0].average_rate
    return float(rate or 0), _decoded(container, size, threads)


def _images(folder: epath.Path, size: int | None) -> Iterator[np.ndarray]:
    names = [p.name for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")]
    shape = None
    for name in sorted(names, key=natural_order):
        try:
            with (folder / name).open("rb") as file:
                frame = np.asarray(Image.open(file).convert("RGB"))
        except (OSError, ValueError, SyntaxError) as error:
            raise UnusableVideo(f"{name} is not a readable image: {_reason(error)}") from error
        shape = shape or frame.shape
        if frame.shape != shape:
            h, w = frame.shape[:2]
            raise UnusableVideo(f"{name} is {w}x{h}, the frames before it {shape[1]}x{shape[0]}")
        yield square(frame, size)


def _decoded(container: av.container.InputContainer, size: int | None, threads: int) -> Iterator[np.ndarray]:
    stream = container.streams.video[0]
    stream.thread_type = "AUTO" if threads > 1 else "SLICE"
    stream.codec_context.thread_count = threads
    to_rgb = VideoReformatter()  # one for all frames: setting up a conversion costs more than converting
    number = 0
    try:
        with container:
            for frame in container.decode(stream):
                if frame.is_corrupt:
                    raise UnusableVideo(f"breaks at frame {number}: damaged data")
                aspect = stream.sample_aspect_ratio
                pixels = to_rgb.reformat(frame, format="rgb24", threads=1).to_ndarray()
                yield square(pixels, size, float(aspect or 1), quarter_turns=round(frame.rotation / 90))
                number += 1
    except (av.FFmpegError, OSError, ValueError) as error:
        raise UnusableVideo(f"breaks at frame {number}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip()


def square(
    frame: FrameOf, size: int | None, pixel_aspect: float = 1.0, quarter_turns: int = 0
) -> UInt8[np.ndarray, "_ _ 3"]:
    """Centre square of a frame as it is meant to be seen, resized to size × size.

    Args:
      frame: [h w 3] as stored.
      size: pixels a side of the result; None: neither cropped nor resized.
      pixel_aspect: width of a stored pixel over its height.
      quarter_turns: counter-clockwise, from stored to seen.
    """
    if size is None:
        return np.ascontiguousarray(np.rot90(frame, quarter_turns % 4))
    h, w = frame.shape[:2]
    side = min(h, w * pixel_aspect)
    height, width = max(1, round(side)), max(1, round(side / pixel_aspect))
    top, left = (h - height) // 2, (w - width) // 2
    resized = bilinear(frame[top : top + height, left : left + width], size)
    # A square may be turned after resizing: the grid of half-pixel centres is symmetric.
    return np.ascontiguousarray(np.rot90(resized, quarter_turns % 4)) if quarter_turns % 4 else resized
