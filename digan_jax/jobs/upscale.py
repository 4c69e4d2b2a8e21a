"""`digan upscale`: a video to a larger size and another frame rate, by a model or by resizing its frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np
from etils import epath
from jaxtyping import Float, UInt8
from PIL import Image

from digan_jax.errors import InputError
from digan_jax.host import files, video_reading
from digan_jax.host.frame_rates import check_rate
from digan_jax.host.progress import Progress
from digan_jax.host.showing import MAX_PIXELS, UnusableVideo
from digan_jax.host.video_files import check_encoder, write_video
from digan_jax.host.video_formats import DEFAULT_FPS, check_quality, check_suffix
from digan_jax.interop import opening
from digan_jax.jobs.requests import Request
from digan_jax.rendering.samplers import of_weights
from digan_jax.rendering.upscaling import Frame, Shape, Upscaler

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}


@dataclasses.dataclass(frozen=True)
class UpscaleRequest(Request):
    """A video and the one to be made of it.

    Raises:
      InputError: an invalid value or combination of values.
    """

    video: str  # a file, or a folder of images
    out: str  # .mp4 .webm .gif .png (a strip) .npz
    run: str | None = None  # a path for `digan.load`, of a model of the task "upscale"; for the method "model"
    step: int | Literal["best"] | None = None  # checkpoint of a run; None: the newest
    method: Literal["model", "bicubic", "lanczos"] = "model"  # the others resize each frame, linear in time between them
    scale: float | None = None  # pixels for each given pixel, along both axes; None: 4, without `size`
    size: tuple[int, int] | None = None  # (width, height) in pixels, instead of `scale`
    fps: float | None = None  # frames per second; None: those of the video
    id: int = 0  # of the latents
    quality: Literal["standard", "10-bit", "lossless"] = "standard"  # of .mp4 and .webm

    def check(self) -> None:
        check_quality(self.out, self.quality)
        if self.method == "model" and self.run is None:
            raise InputError("`run` is required for `method` model; bicubic and lanczos need no model.")
        if self.method != "model" and (self.run is not None or self.step is not None):
            raise InputError(f"method={self.method}: needs no model; leave `run` and `step` out.")
        if self.size is not None and self.scale is not None:
            raise InputError("`size` and `scale`: give one of them.")
        if self.size is not None and min(self.size) < 1:
            raise InputError(f"size={self.size}: a picture needs at least one pixel a side.")
        if self.scale is not None and not 0 < self.scale < float("inf"):
            raise InputError(f"scale={self.scale}: must be a number above 0.")
        if self.fps is not None:
            check_rate(check_suffix(self.out), self.fps)
        if not 0 <= self.id < 2**31:
            raise InputError(f"id={self.id}: must lie in [0, 2**31).")


def run(request: UpscaleRequest, progress: Progress = Progress()) -> epath.Path:
    """Makes the video and returns its path.

    Raises:
      InputError: an unusable video; no model of the task "upscale"; nothing is written.
      Cancelled: through `progress`; no partial file remains.
    """
    files.check_file(request.out)
    check_encoder(request.out, request.quality)
    upscaler = None if request.run is None else upscaler_of(request.run, request.step, request.id)
    shape, fps = shape_of(request)
    with progress.of("upscaling", len(shape.places), "frames") as advance:
        given = _frames(request.video)
        made = resized(given, shape, request.method) if upscaler is None else upscaler.frames(given, shape)
        write_video(request.out, _counted(made, advance), fps, {"upscale": request.to_record()}, request.quality)
    return epath.Path(request.out)


def describe(request: UpscaleRequest) -> str:
    """Text with size, frames and rate; draws nothing. Raises as `run`."""
    files.check_file(request.out)
    check_encoder(request.out, request.quality)
    if request.run is not None:
        upscaler_of(request.run, request.step, request.id)
    shape, fps = shape_of(request)
    w, h = shape.size
    return (
        f"{request.out}: {len(shape.places)} frames of {w}x{h} pixels at {fps:g} a second, from {shape.frames} of "
        f"{shape.width}x{shape.height}, by {request.method}.\nnothing was drawn."
    )


def _counted(frames: Iterable, advance) -> Iterator:
    for frame in frames:
        yield frame
        advance()


def upscaler_of(run: str, step: int | str | None, id: int) -> Upscaler:
    """The model at `run`, ready to upscale. Raises `InputError` if it was not trained on the task "upscale"."""
    weights = opening.read(run, step=step)
    task, data = weights.facts.get("task", {}), weights.facts.get("data", {})
    if task.get("name") != "upscale":
        trained = f"was trained on the task {task['name']!r}" if task else "takes no small clip"
        raise InputError(f"{run}: {trained}; give a model of the task 'upscale' (digan train --config upscale).")
    shown = (data["frames"] - 1) // task["every"] + 1
    return Upscaler(of_weights(weights), weights.config.resolution // task["factor"], shown, id)


def shape_of(request: UpscaleRequest) -> tuple[Shape, float]:
    """The shape of the given video and of the new one, and the new one's frames per second. Decodes the video.

    Raises:
      InputError: it cannot be read or has no frames, or the new frames are too large.
    """
    frames, height, width = 0, 0, 0
    for frame in _frames(request.video):
        frames, (height, width) = frames + 1, frame.shape[:2]
    if not frames:
        raise InputError(f"{request.video}: holds no frames.")
    rate = _opened(request.video).fps or DEFAULT_FPS
    fps = request.fps or rate
    check_rate(check_suffix(request.out), fps)
    scale = request.scale or 4
    size = request.size or (max(1, round(width * scale)), max(1, round(height * scale)))
    if size[0] * size[1] > MAX_PIXELS:
        raise InputError(f"size {size[0]}x{size[1]}: has more than {MAX_PIXELS // 2**20} Mi pixels; choose a smaller one.")
    count = max(1, round(frames * fps / rate))
    places = np.minimum(np.arange(count) * (rate / fps), frames - 1)
    return Shape(width, height, frames, size, places), fps


def _opened(video: str) -> video_reading.Footage:
    try:
        return video_reading.open_footage(video, None)
    except UnusableVideo as error:
        raise InputError(f"{video}: {error}.") from None


def _frames(video: str) -> Iterator[Frame]:
    try:
        yield from _opened(video).frames
    except UnusableVideo as error:
        raise InputError(f"{video}: {error}.") from None


def resized(given: Iterable[Frame], shape: Shape, method: str) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """Frames resized by Pillow ("bicubic" or "lanczos"), linear in time between neighbours."""
    enlarge = lambda frame: np.asarray(Image.fromarray(frame).resize(shape.size, FILTERS[method]), np.float32)
    ahead = map(enlarge, given)
    first, before, after = 0, next(ahead), None
    for place in shape.places:
        while first < int(place):
            before, after = next(ahead) if after is None else after, None
            first += 1
        share = np.float32(place - first)
        if share and after is None:
            after = next(ahead)
        yield np.rint(before + share * (after - before) if share else before).astype(np.uint8)
