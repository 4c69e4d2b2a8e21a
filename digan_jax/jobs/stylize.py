"""`digan stylize`: a video in the style that a model has learnt, to a degree."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import numpy as np
from etils import epath

from digan_jax.config.tasks import check_style
from digan_jax.data import conditions, stylizing
from digan_jax.errors import InputError
from digan_jax.host.progress import Progress
from digan_jax.jobs import restoring
from digan_jax.jobs.video_request import VideoRequest
from digan_jax.rendering import classical


@dataclasses.dataclass(frozen=True)
class StylizeRequest(VideoRequest):
    """A video, and the same one in a style.

    Raises:
      InputError: an invalid value or combination of values.
    """

    NAME: ClassVar[str] = "stylize"
    method: Literal["model", "exact"] = "model"  # exact: the style itself, where it is a known function
    style: str | None = None  # of `exact`: a name of `tasks.STYLES`, or a picture
    degree: tuple[float, ...] = (1.0,)  # 0 is the video, 1 the style; two numbers: of the first and the last frame
    preview: bool = False  # the first frame alone

    def check(self) -> None:
        super().check()
        if not 1 <= len(self.degree) <= 2 or not all(0 <= d <= 1 for d in self.degree):
            raise InputError(
                f"degree={self.degree}: must be one number in [0, 1], or that of the first and the last frame."
            )
        if self.by_model and self.style is not None:
            raise InputError(f"style={self.style!r}: a model has its own; it is for `method` exact.")
        if not self.by_model and self.style is None:
            raise InputError("`style` is required for `method` exact.")
        if self.style is not None:
            check_style(self.style)


def run(request: StylizeRequest, progress: Progress = Progress()) -> epath.Path:
    """Makes the video and returns its path.

    Raises:
      InputError: an unusable video; no model of the task "stylize"; nothing is written.
      Cancelled: through `progress`; no partial file remains.
    """
    return work(request).run(progress)


def describe(request: StylizeRequest) -> str:
    """Text with size, frames and rate; draws nothing. Raises as `run`."""
    return work(request).description()


def work(request: StylizeRequest) -> restoring.Work:
    """The checked work of a request. Raises as `run`."""
    restoring.check_out(request)
    weights = restoring.weights_of(request, "stylize") if request.by_model else None
    shape, fps = restoring.shape_of(request, places=first_alone if request.preview else None)
    degrees = np.linspace(request.degree[0], request.degree[-1], shape.frames)
    if weights is None:
        make = lambda given, shape: classical.resized(exact(given, request.style, degrees), shape, "lanczos")
    else:
        # the degree of each frame travels beside its colours, since windows are cut from both
        seen = lambda frames: conditions.with_visibility(conditions.to_degree(frames[..., :3], frames[..., 3] / 255))
        restorer = restoring.restorer_of(weights, weights.facts["data"]["frames"], request.id, seen=seen)
        make = lambda given, shape: restorer.frames(marked(given, degrees), shape)
    return restoring.Work(request, shape, fps, make)


def first_alone(frames: int, ratio: float) -> np.ndarray:
    """Places of a preview."""
    return np.zeros(1)


def exact(given, style: str, degrees):
    """The frames by the style itself."""
    for frame, degree in zip(given, degrees):
        yield stylizing.styled(frame[None], style, np.array([degree]))[0]


def marked(given, degrees):
    """Frames with their degree, in 255 steps, as a fourth channel."""
    for frame, degree in zip(given, degrees):
        plane = np.full((*frame.shape[:2], 1), round(255 * degree), np.uint8)
        yield np.concatenate([frame, plane], axis=-1)
