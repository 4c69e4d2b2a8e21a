"""What the verbs that make a video of a video share: reading, models of a task, the size of the result, writing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from etils import epath
from jaxtyping import Float

from digan_jax.errors import InputError
from digan_jax.host import files, sound, video_reading
from digan_jax.host.frame_rates import check_rate
from digan_jax.host.progress import Progress
from digan_jax.host.showing import MAX_PIXELS, UnusableVideo
from digan_jax.host.video_files import check_encoder, write_video
from digan_jax.host.video_formats import DEFAULT_FPS, check_suffix
from digan_jax.interop import opening
from digan_jax.jobs.render_outputs import Output, is_whole
from digan_jax.jobs.video_request import VideoRequest
from digan_jax.rendering.restoring import Frame, Restorer, Shape
from digan_jax.rendering.samplers import of_weights
from digan_jax.runs.weights import Weights

Making = Callable[[Iterable[Frame], Shape], Iterator]  # given frames and a shape to the frames of the new video


@dataclasses.dataclass(frozen=True)
class Work:
    """A checked request, ready to run.

    Attributes:
      shape: of the given video and of the new one.
      fps: of the new one.
      make: makes its frames; reads the given ones as they are needed.
    """

    request: VideoRequest
    shape: Shape
    fps: float
    make: Making

    def run(self, progress: Progress) -> epath.Path:
        """Makes the video and returns its path. Nothing partial remains if it is cancelled."""
        r = self.request
        if r.resume and is_whole(Output(r.out, [0], r.note())):
            return epath.Path(r.out)
        with progress.of(r.NAME, len(self.shape.places), "frames") as advance:
            made = counted(self.make(frames_of(r.video), self.shape), advance)
            write_video(r.out, made, self.fps, r.note(), r.quality)
        if r.sound:
            sound.keep(r.video, r.out)
        return epath.Path(r.out)

    def description(self) -> str:
        """Text with size, frames and rate."""
        r, s, (w, h) = self.request, self.shape, self.shape.size
        return (
            f"{r.out}: {len(s.places)} frames of {w}x{h} pixels at {self.fps:g} a second, from {s.frames} of "
            f"{s.width}x{s.height}, by {r.method}.\nnothing was drawn."
        )


def check_out(request: VideoRequest) -> None:
    """Raises `InputError` if the file cannot be written."""
    files.check_file(request.out)
    check_encoder(request.out, request.quality)


def counted(frames: Iterable, advance) -> Iterator:
    """The frames, each counted as it passes."""
    for frame in frames:
        yield frame
        advance()


def weights_of(request: VideoRequest, *tasks: str) -> Weights:
    """The weights of a model that was trained on one of these tasks.

    Raises:
      InputError: unreadable, or of another task.
    """
    weights = opening.read(request.run, step=request.step)
    task = weights.facts.get("task", {})
    if task.get("name") not in tasks:
        given = {"upscale": "small clip", "predict": "beginning of a clip"}.get(tasks[0], "clip")
        trained = f"was trained on the task {task['name']!r}" if task else f"takes no {given}"
        raise InputError(
            f"{request.run}: {trained}; give a model of the task {tasks[0]!r} (digan train --config {tasks[0]})."
        )
    return weights


def restorer_of(weights: Weights, shown: int, id: int, side: int | None = None, **options) -> Restorer:
    """A model ready to draw; `shown` frames of a clip and `side` pixels are what it saw in training."""
    return Restorer(of_weights(weights), side or weights.config.resolution, shown, id, **options)


def measured(video: str) -> tuple[int, int, int, float]:
    """Width, height, number of frames and frames per second of a video, which is decoded for it.

    Raises:
      InputError: it cannot be read or has no frames.
    """
    frames, height, width = 0, 0, 0
    for frame in frames_of(video):
        frames, (height, width) = frames + 1, frame.shape[:2]
    if not frames:
        raise InputError(f"{video}: holds no frames.")
    return width, height, frames, opened(video).fps or DEFAULT_FPS


def shape_of(
    request: VideoRequest, scale: float = 1, places: Callable[[int, float], Float[np.ndarray, "t"]] | None = None
) -> tuple[Shape, float]:
    """The shape of the given video and of the new one, and the new one's frames per second. Decodes the video.

    Args:
      scale: pixels for each given pixel, where the request has no size.
      places: (frames, frames of the new video for a given one) -> places of its frames; None: as long as the video.

    Raises:
      InputError: it cannot be read or has no frames, or the new frames are too large.
    """
    width, height, frames, rate = measured(request.video)
    fps = request.fps or rate
    check_rate(check_suffix(request.out), fps)
    size = request.size or (max(1, round(width * scale)), max(1, round(height * scale)))
    if size[0] * size[1] > MAX_PIXELS:
        raise InputError(
            f"size {size[0]}x{size[1]}: has more than {MAX_PIXELS // 2**20} Mi pixels; choose a smaller one."
        )
    return Shape(width, height, frames, size, (places or as_long)(frames, fps / rate)), fps


def as_long(frames: int, ratio: float) -> Float[np.ndarray, "t"]:
    """Places of the frames of a video as long as the given one, with `ratio` frames for each given one."""
    count = max(1, round(frames * ratio))
    return np.minimum(np.arange(count) / ratio, frames - 1)


def opened(video: str) -> video_reading.Footage:
    """Raises `InputError` if it cannot be read."""
    try:
        return video_reading.open_footage(video, None)
    except UnusableVideo as error:
        raise InputError(f"{video}: {error}.") from None


def frames_of(video: str) -> Iterator[Frame]:
    """Raises `InputError` if it cannot be read."""
    try:
        yield from opened(video).frames
    except UnusableVideo as error:
        raise InputError(f"{video}: {error}.") from None
