"""`digan compress` and `digan decompress`: a clip as the weights of a small function that is fitted to it alone."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Literal

import numpy as np
from etils import epath
from jaxtyping import UInt8

from digan_jax.data.conditions import unit_range
from digan_jax.errors import InputError
from digan_jax.host import clip_files, files, range_coder
from digan_jax.host.clip_files import ClipFile
from digan_jax.host.frame_rates import check_rate
from digan_jax.host.progress import Progress
from digan_jax.host.showing import MAX_PIXELS, UnusableVideo
from digan_jax.host.video_files import check_encoder, to_uint8, write_video
from digan_jax.host.video_formats import DEFAULT_FPS, check_quality, check_suffix
from digan_jax.host.video_reading import open_footage
from digan_jax.jobs.render_outputs import Output, is_whole
from digan_jax.jobs.requests import Request
from digan_jax.models.one_clip import Size, size_for
from digan_jax.rendering import compression

HEADER = 60  # bytes of a file before its coded numbers, about
MOST_FRAMES = 600  # all of a clip is in memory while it is fitted


@dataclasses.dataclass(frozen=True)
class CompressRequest(Request):
    """A clip, and the file to be made of it.

    Raises:
      InputError: an invalid value.
    """

    video: str  # a file, or a folder of images
    out: str  # .dnv
    bits: float = 0.2  # a pixel, about
    steps: int = 4000  # of the fit
    frames: int | None = None  # first frames of the video; None: all

    def check(self) -> None:
        if not self.out.endswith(".dnv"):
            raise InputError(f"{self.out}: compressed clips are written as .dnv; name the file so.")
        if not 0.001 <= self.bits <= 24:
            raise InputError(f"bits={self.bits}: must lie between 0.001 and 24 bits a pixel.")
        if not 1 <= self.steps <= 1_000_000:
            raise InputError(f"steps={self.steps}: must lie in [1, 1000000].")
        if self.frames is not None and self.frames < 1:
            raise InputError(f"frames={self.frames}: must be 1 or more.")


@dataclasses.dataclass(frozen=True)
class DecompressRequest(Request):
    """A compressed clip, and the video to be made of it.

    Raises:
      InputError: an invalid value.
    """

    file: str  # .dnv
    out: str  # .mp4 .webm .gif .png (a strip) .npz
    size: tuple[int, int] | None = None  # (width, height) in pixels; None: as it was
    fps: float | None = None  # frames a second; None: as it was
    quality: Literal["standard", "10-bit", "lossless"] = "standard"  # of .mp4 and .webm
    resume: bool = False  # does nothing if the file is already complete

    def check(self) -> None:
        check_quality(self.out, self.quality)
        if self.size is not None and not 0 < self.size[0] * self.size[1] <= MAX_PIXELS:
            raise InputError(f"size={self.size}: give 1 to {MAX_PIXELS // 2**20} Mi pixels.")
        if self.fps is not None:
            check_rate(check_suffix(self.out), self.fps)

    def note(self) -> dict:
        """Metadata of the file: the request that makes it again."""
        return {"decompress": dataclasses.replace(self, resume=False).to_record()}


@dataclasses.dataclass(frozen=True)
class Report:
    """A compressed clip: its bytes, bits a pixel, and peak signal-to-noise ratio in dB."""

    bytes: int
    bits: float
    psnr: float
    weights: int

    def __str__(self) -> str:
        return f"{self.bytes} bytes, {self.bits:.4f} bits a pixel, {self.psnr:.2f} dB, {self.weights} weights"


def compress(request: CompressRequest, progress: Progress = Progress()) -> Report:
    """Fits a function to a clip and writes it.

    Raises:
      InputError: an unusable video; nothing is written.
      Cancelled: through `progress`; nothing is written.
    """
    files.check_file(request.out)
    clip, fps = _clip(request)
    bits, size = bits_of(request, clip), size_of(request, clip)
    with progress.of("fitting", request.steps, "steps") as advance:
        params, steps = compression.fit(unit_range(clip), size, request.steps, bits, advance)
    coded = range_coder.encode(compression.stored(params, steps, size))
    t, h, w, _ = clip.shape
    content = ClipFile(t, h, w, fps, size.hidden, size.grids, tuple(steps[name] for name in size.shapes), coded)
    drawn = np.stack([to_uint8(frame) for frame in decoded(content)])
    count = clip_files.write(request.out, content)
    error = np.square(drawn.astype(np.float64) - clip).mean()
    psnr = float(10 * np.log10(255**2 / error)) if error else float("inf")
    return Report(count, 8 * count / (t * h * w), psnr, size.weights)


def describe(request: CompressRequest) -> str:
    """Text with frames, size and weights; fits nothing. Raises as `compress`."""
    files.check_file(request.out)
    clip, fps = _clip(request)
    t, h, w, _ = clip.shape
    return (
        f"{request.out}: {t} frames of {w}x{h} pixels at {fps:g} a second, as "
        f"{size_of(request, clip).weights} weights.\nnothing was fitted."
    )


def bits_of(request: CompressRequest, clip: UInt8[np.ndarray, "t h w 3"]) -> float:
    """Bits for the coded numbers: those asked for without the header."""
    return max(1.0, request.bits * clip.size / 3 - 8 * HEADER)


def size_of(request: CompressRequest, clip: UInt8[np.ndarray, "t h w 3"]) -> Size:
    """The size of the function that takes about as many bits as asked for."""
    return size_for(*clip.shape[:3], bits_of(request, clip))


def _clip(request: CompressRequest) -> tuple[UInt8[np.ndarray, "t h w 3"], float]:
    try:
        footage = open_footage(str(epath.Path(request.video).expanduser()), None)
        frames = list(itertools.islice(footage.frames, request.frames or MOST_FRAMES + 1))
    except (UnusableVideo, FileNotFoundError) as error:
        raise InputError(f"{request.video}: {error}.") from None
    if not frames:
        raise InputError(f"{request.video}: holds no frames.")
    if len(frames) > MOST_FRAMES:
        raise InputError(f"{request.video}: has more than {MOST_FRAMES} frames; give `frames`, or cut it into shots.")
    if max(frames[0].shape[:2]) >= 2**16:
        raise InputError(f"{request.video}: has more than {2**16 - 1} pixels a side.")
    return np.stack(frames), footage.fps or DEFAULT_FPS


def decompress(request: DecompressRequest, progress: Progress = Progress()) -> epath.Path:
    """Draws a compressed clip and returns the path of the video. A file that `resume` keeps is not made again.

    Raises:
      InputError: no such file, a damaged one; nothing is written.
      Cancelled: through `progress`; no partial file remains.
    """
    content, count, fps = _to_draw(request)
    if request.resume and is_whole(Output(request.out, [0], request.note())):
        return epath.Path(request.out)
    with progress.of("drawing", count, "frames") as advance:

        def counted():
            for frame in decoded(content, request.size, fps):
                yield frame
                advance()

        write_video(request.out, counted(), fps, request.note(), request.quality)
    return epath.Path(request.out)


def describe_drawing(request: DecompressRequest) -> str:
    """Text with frames, size and rate of the video; draws nothing. Raises as `decompress`."""
    content, count, fps = _to_draw(request)
    w, h = request.size or (content.width, content.height)
    return (
        f"{request.out}: {count} frames of {w}x{h} pixels at {fps:g} a second, from {content.frames} of "
        f"{content.width}x{content.height} at {content.fps:g}.\nnothing was drawn."
    )


def _to_draw(request: DecompressRequest) -> tuple[ClipFile, int, float]:
    """The compressed clip, and the number of frames to draw and how many a second."""
    files.check_file(request.out)
    check_encoder(request.out, request.quality)
    content = clip_files.read(request.file)
    fps = request.fps or content.fps
    check_rate(check_suffix(request.out), fps)
    return content, max(1, round(content.frames * fps / content.fps)), fps


def decoded(
    content: ClipFile, size: tuple[int, int] | None = None, fps: float | None = None
) -> Iterator[np.ndarray]:
    """The frames of a compressed clip, float32 about in [-1, 1], of any size (width, height) and rate."""
    shape = Size(content.grids, content.hidden)
    numbers = range_coder.decode(content.coded, list(shape.shapes.values()))
    params = compression.restored(numbers, content.steps, shape)
    rate = (fps or content.fps) / content.fps
    count = max(1, round(content.frames * rate))
    places = np.minimum(np.arange(count) / rate + 0.5, content.frames - 0.5) / content.frames
    width, height = size or (content.width, content.height)
    yield from compression.frames(params, places, height, width)
