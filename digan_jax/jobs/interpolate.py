"""`digan interpolate`: more frames of a video, by a model, along optical flow or by cross-fading."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import ClassVar, Literal

import numpy as np
from etils import epath

from digan_jax.errors import InputError
from digan_jax.host.progress import Progress
from digan_jax.jobs import restoring
from digan_jax.jobs.video_request import VideoRequest
from digan_jax.rendering import classical


@dataclasses.dataclass(frozen=True)
class InterpolateRequest(VideoRequest):
    """A video and one with more frames to be made of it.

    Raises:
      InputError: an invalid value or combination of values.
    """

    NAME: ClassVar[str] = "interpolate"
    MODELS: ClassVar[tuple[str, ...]] = ("inr",)
    method: Literal["inr", "flow", "blend"] = "inr"  # a model; along the optical flow; linear between frames
    factor: float | None = None  # frames for each given one; None: 4, without `fps`
    slow: bool = False  # keeps the frame rate, so that the clip lasts `factor` times as long

    def check(self) -> None:
        super().check()
        if self.factor is not None and self.fps is not None and not self.slow:
            raise InputError("`factor` and `fps`: give one of them, or `slow` too.")
        if self.factor is not None and not 0 < self.factor < float("inf"):
            raise InputError(f"factor={self.factor}: must be a number above 0.")


def run(request: InterpolateRequest, progress: Progress = Progress()) -> epath.Path:
    """Makes the video and returns its path.

    Raises:
      InputError: an unusable video; no model of the task "interpolate"; OpenCV is missing for the method
        "flow"; nothing is written.
      Cancelled: through `progress`; no partial file remains.
    """
    return work(request).run(progress)


def describe(request: InterpolateRequest) -> str:
    """Text with size, frames and rate; draws nothing. Raises as `run`."""
    return work(request).description()


def work(request: InterpolateRequest) -> restoring.Work:
    """The checked work of a request. Raises as `run`."""
    restoring.check_out(request)
    make: Callable = partial(classical.resized, method="lanczos")
    if request.method == "flow":
        classical.opencv()
        make = classical.interpolated
    if request.by_model:
        weights = restoring.weights_of(request, "interpolate")
        shown = (weights.facts["data"]["frames"] - 1) // weights.facts["task"]["every"] + 1
        make = restoring.restorer_of(weights, shown, request.id).frames
    shape, rate = restoring.shape_of(dataclasses.replace(request, fps=None, factor=None))
    factor = request.factor or (request.fps / rate if request.fps and not request.slow else 4.0)
    places = np.minimum(np.arange(round((shape.frames - 1) * factor) + 1) / factor, shape.frames - 1)
    fps = request.fps or (rate if request.slow else rate * factor)
    restoring.check_rate(restoring.check_suffix(request.out), fps)
    return restoring.Work(request, dataclasses.replace(shape, places=places), fps, make)
